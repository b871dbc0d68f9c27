//! What an upgrade of the schema does that SQL alone cannot.

use rusqlite::{Transaction, params};

use super::{StoreError, attempts, curves, data, log, schema::Layout, studies};

/// Seals all rows of an earlier release, and notes what its logs say of attempts. What is damaged by now stays so.
pub(super) fn seal_all(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    log::seal_all(transaction)?;
    curves::seal_all(transaction)?;
    seal_studies(transaction)?;
    seal_trials(transaction)?;
    seal_data(transaction)?;
    let unsealed = Layout::of(transaction)?;
    for (study, _) in studies::specs(transaction, unsealed)? {
        attempts::fill(transaction, &study, &log::read(transaction, unsealed, &study)?)?;
    }
    Ok(())
}

fn seal_studies(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut rows = transaction.prepare("SELECT study, name, created, finished, spec, view FROM studies")?;
    let mut update = transaction.prepare("UPDATE studies SET spec_seal = ?, seal = ? WHERE study = ?")?;
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (study, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (created, finished): (i64, Option<i64>) = (row.get(2)?, row.get(3)?);
        let (spec, view): (String, String) = (row.get(4)?, row.get(5)?);
        update.execute(params![
            studies::spec_seal(&study, &name, &spec),
            studies::study_seal(&study, created, finished, &view),
            study,
        ])?;
    }
    Ok(())
}

fn seal_trials(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut rows = transaction.prepare("SELECT study, trial, view FROM trials")?;
    let mut update = transaction.prepare("UPDATE trials SET seal = ? WHERE study = ? AND trial = ?")?;
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (study, trial, view): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        update.execute(params![studies::trial_seal(&study, trial, &view), study, trial])?;
    }
    Ok(())
}

fn seal_data(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut rows = transaction.prepare("SELECT name, size, facts, created FROM data")?;
    let mut update = transaction.prepare("UPDATE data SET seal = ? WHERE name = ?")?;
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (name, size): (String, i64) = (row.get(0)?, row.get(1)?);
        let (facts, created): (String, i64) = (row.get(2)?, row.get(3)?);
        update.execute(params![data::seal(&name, size, &facts, created), name])?;
    }
    Ok(())
}
