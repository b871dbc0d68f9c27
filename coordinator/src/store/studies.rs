//! Rows of studies and trials.

use common::{
    ids::{StudyId, TrialNumber},
    study::StudySpec,
    view::{StudyView, TrialView},
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{
    Commit, StoreError,
    schema::{self, Layout},
    seal::{Seal, Sealer},
};

/// A study's row as it lies in its table.
type StudyRow = (String, i64, Option<i64>, String, Option<Vec<u8>>);

/// All studies in the order in which they were created.
pub(super) fn all(connection: &Connection, layout: Layout) -> Result<Vec<StudyView>, StoreError> {
    let sql = format!(
        "SELECT study, created, finished, view, {} FROM studies ORDER BY created, rowid",
        layout.seal()
    );
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], study_row)?;
    rows.map(|row| study(row?, layout)).collect()
}

/// Refuses a store in which a log has lost its study.
pub(super) fn check_complete(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT study FROM logs WHERE study NOT IN (SELECT study FROM studies)";
    let lost: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    lost.map_or(Ok(()), |study| {
        Err(StoreError::Damaged(format!("the row of study {study}, which is missing,")))
    })
}

/// One study; none where it is not there.
pub(super) fn one(
    connection: &Connection,
    layout: Layout,
    id: &StudyId,
) -> Result<Option<StudyView>, StoreError> {
    let sql =
        format!("SELECT study, created, finished, view, {} FROM studies WHERE study = ?", layout.seal());
    let row = connection.prepare_cached(&sql)?.query_row([id.as_str()], study_row).optional()?;
    row.map(|row| study(row, layout)).transpose()
}

fn study_row(row: &Row<'_>) -> rusqlite::Result<StudyRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn study((id, created, finished, view, stored): StudyRow, layout: Layout) -> Result<StudyView, StoreError> {
    let what = || format!("the row of study {id}");
    study_seal(&id, created, finished, &view).check(stored, layout.is_sealed(), what)?;
    schema::decode(&what(), &view)
}

/// What a study was asked to do; none where it is not there.
pub(super) fn spec(
    connection: &Connection,
    layout: Layout,
    id: &StudyId,
) -> Result<Option<StudySpec>, StoreError> {
    let sql = format!("SELECT study, name, spec, {} FROM studies WHERE study = ?", layout.spec_seal());
    let row = connection.prepare_cached(&sql)?.query_row([id.as_str()], spec_row).optional()?;
    row.map(|row| Ok(parsed(row, layout)?.1)).transpose()
}

/// What all studies were asked to do.
pub(super) fn specs(
    connection: &Connection,
    layout: Layout,
) -> Result<Vec<(StudyId, StudySpec)>, StoreError> {
    let sql = format!("SELECT study, name, spec, {} FROM studies ORDER BY rowid", layout.spec_seal());
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], spec_row)?;
    rows.map(|row| parsed(row?, layout)).collect()
}

type SpecRow = (String, String, String, Option<Vec<u8>>);

fn spec_row(row: &Row<'_>) -> rusqlite::Result<SpecRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn parsed((id, name, spec, stored): SpecRow, layout: Layout) -> Result<(StudyId, StudySpec), StoreError> {
    let what = || format!("the spec of study {id}");
    spec_seal(&id, &name, &spec).check(stored, layout.is_sealed(), what)?;
    let unreadable = |reason: String| StoreError::Unreadable { what: what(), reason };
    let spec = StudySpec::from_json(&spec).map_err(|error| unreadable(error.to_string()))?;
    let id = id.parse().map_err(|error: common::ids::InvalidName| unreadable(error.to_string()))?;
    Ok((id, spec))
}

/// A study's trials by number.
pub(super) fn trials(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
) -> Result<Vec<TrialView>, StoreError> {
    trial_results(connection, layout, study)?.into_iter().collect()
}

/// A study's trials by number, each read by itself: a damaged one hides none of the others.
pub(super) fn trial_results(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
) -> Result<Vec<Result<TrialView, StoreError>>, StoreError> {
    let sql = format!("SELECT trial, view, {} FROM trials WHERE study = ? ORDER BY trial", layout.seal());
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([study.as_str()], trial_row)?;
    Ok(rows.map(|row| view(study, row?, layout)).collect())
}

/// One trial; none where it is not there.
pub(super) fn trial(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
    trial: TrialNumber,
) -> Result<Option<TrialView>, StoreError> {
    let sql = format!("SELECT trial, view, {} FROM trials WHERE study = ? AND trial = ?", layout.seal());
    let mut query = connection.prepare_cached(&sql)?;
    let row = query.query_row(params![study.as_str(), trial.0], trial_row).optional()?;
    row.map(|row| view(study, row, layout)).transpose()
}

type TrialRow = (i64, String, Option<Vec<u8>>);

fn trial_row(row: &Row<'_>) -> rusqlite::Result<TrialRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn view(study: &StudyId, (trial, view, stored): TrialRow, layout: Layout) -> Result<TrialView, StoreError> {
    let what = || format!("the row of trial {trial} of study {study}");
    trial_seal(study.as_str(), trial, &view).check(stored, layout.is_sealed(), what)?;
    schema::decode(&what(), &view)
}

/// Writes the rows of studies and trials in a commit.
pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    for (study, spec) in &commit.created {
        let (name, json) = (&spec.name, spec.to_json());
        transaction
            .prepare_cached(
                "INSERT INTO studies (study, name, created, spec, view, spec_seal) VALUES (?, ?, 0, ?, '', ?)",
            )?
            .execute(params![
                study.as_str(),
                name.as_str(),
                json,
                spec_seal(study.as_str(), name.as_str(), &json)
            ])?;
    }
    for view in &commit.studies {
        let (created, finished) = (view.created.0 as i64, view.finished.map(|at| at.0 as i64));
        let (id, text) = (view.id.as_str(), schema::encode(view)?);
        transaction
            .prepare_cached(
                "UPDATE studies SET created = ?, finished = ?, view = ?, seal = ? WHERE study = ?",
            )?
            .execute(params![created, finished, text, study_seal(id, created, finished, &text), id])?;
    }
    for (study, view) in &commit.trials {
        let (trial, text) = (i64::from(view.trial.0), schema::encode(view)?);
        transaction
            .prepare_cached("INSERT OR REPLACE INTO trials (study, trial, view, seal) VALUES (?, ?, ?, ?)")?
            .execute(params![study.as_str(), trial, text, trial_seal(study.as_str(), trial, &text)])?;
    }
    Ok(())
}

/// The seal of a study's row, but for what it was asked to do.
pub(super) fn study_seal(study: &str, created: i64, finished: Option<i64>, view: &str) -> Seal {
    Sealer::of("studies").text(study).int(created).maybe(finished).text(view).seal()
}

/// The seal of what a study was asked to do.
pub(super) fn spec_seal(study: &str, name: &str, spec: &str) -> Seal {
    Sealer::of("specs").text(study).text(name).text(spec).seal()
}

/// The seal of a trial's row.
pub(super) fn trial_seal(study: &str, trial: i64, view: &str) -> Seal {
    Sealer::of("trials").text(study).int(trial).text(view).seal()
}
