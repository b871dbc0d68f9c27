//! Rows of event logs.

use common::ids::StudyId;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use scheduler::Event;

use super::{
    StoreError,
    schema::{self, Layout},
    seal::{Seal, Sealer},
};

/// The log of one study, whole: every event sealed, none missing.
pub(super) fn read(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
) -> Result<Vec<Event>, StoreError> {
    let mut log = Vec::new();
    each(connection, layout, study, |event| {
        log.push(event);
        true
    })?;
    Ok(log)
}

/// Hands out the events of a log in order, until there are no more or the taker has enough.
pub(super) fn each(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
    mut take: impl FnMut(Event) -> bool,
) -> Result<(), StoreError> {
    let mut failed = None;
    rows(connection, layout, study, |event| match event {
        Ok(event) => take(event),
        Err(error) => {
            failed = Some(error);
            false
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// All events of a log that are intact, and what is wrong with the others.
pub(super) fn inspect(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
) -> Result<(Vec<Event>, Vec<StoreError>), StoreError> {
    let (mut events, mut damage) = (Vec::new(), Vec::new());
    rows(connection, layout, study, |event| {
        match event {
            Ok(event) => events.push(event),
            Err(error) => damage.push(error),
        }
        true
    })?;
    Ok((events, damage))
}

fn rows(
    connection: &Connection,
    layout: Layout,
    study: &StudyId,
    mut take: impl FnMut(Result<Event, StoreError>) -> bool,
) -> Result<(), StoreError> {
    let sql =
        format!("SELECT sequence, event, {} FROM events WHERE study = ? ORDER BY sequence", layout.seal());
    let mut query = connection.prepare_cached(&sql)?;
    let mut found = query.query([study.as_str()])?;
    let mut next = 0;
    while let Some(row) = found.next()? {
        let (sequence, stored): (i64, Option<Vec<u8>>) = (row.get(0)?, row.get(2)?);
        let what = format!("event {sequence} of study {study}");
        if sequence != next {
            let gap = StoreError::Damaged(format!("event {next} of study {study}, which is missing,"));
            if !take(Err(gap)) {
                return Ok(());
            }
        }
        let checked = text(row, 1, &what).and_then(|event| {
            event_seal(study, sequence, &event).check(stored, layout.is_sealed(), || what.clone())?;
            schema::decode(&what, &event)
        });
        if !take(checked) {
            return Ok(());
        }
        next = sequence + 1;
    }
    match length(connection, layout, study) {
        Ok(Some(length)) if length != next => {
            let what = format!("the log of study {study}, which has {next} of its {length} events,");
            take(Err(StoreError::Damaged(what)));
        }
        Ok(_) => {}
        Err(error) => drop(take(Err(error))),
    }
    Ok(())
}

/// A text column; bytes that are no text are damage.
fn text(row: &rusqlite::Row<'_>, column: usize, what: &str) -> Result<String, StoreError> {
    row.get(column).map_err(|_| StoreError::Damaged(what.to_owned()))
}

/// How many events a log has, as its last transaction said; none in an earlier layout.
fn length(connection: &Connection, layout: Layout, study: &StudyId) -> Result<Option<i64>, StoreError> {
    if !layout.is_sealed() {
        return Ok(None);
    }
    let mut query = connection.prepare_cached("SELECT events, seal FROM logs WHERE study = ?")?;
    let row = query.query_row([study.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((events, stored)) = row else { return Ok(Some(0)) };
    length_seal(study, events).check(stored, true, || format!("the length of study {study}'s log"))?;
    Ok(Some(events))
}

/// Appends events. One whose place is taken fails.
pub(super) fn append(
    transaction: &Transaction<'_>,
    events: &[(StudyId, u64, Event)],
) -> Result<(), StoreError> {
    let mut insert = transaction
        .prepare_cached("INSERT INTO events (study, sequence, event, seal) VALUES (?, ?, ?, ?)")?;
    let mut length =
        transaction.prepare_cached("INSERT OR REPLACE INTO logs (study, events, seal) VALUES (?, ?, ?)")?;
    for (at, (study, sequence, event)) in events.iter().enumerate() {
        let (sequence, event) = (*sequence as i64, schema::encode(event)?);
        insert.execute(params![study.as_str(), sequence, event, event_seal(study, sequence, &event)])?;
        // Once for each run of a study's events.
        if events.get(at + 1).is_none_or(|(next, ..)| next != study) {
            let events = sequence + 1;
            length.execute(params![study.as_str(), events, length_seal(study, events)])?;
        }
    }
    Ok(())
}

/// Seals the rows that an earlier release wrote.
pub(super) fn seal_all(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut rows = transaction.prepare("SELECT study, sequence, event FROM events")?;
    let mut update = transaction.prepare("UPDATE events SET seal = ? WHERE study = ? AND sequence = ?")?;
    let mut length =
        transaction.prepare("INSERT OR REPLACE INTO logs (study, events, seal) VALUES (?, ?, ?)")?;
    let mut counts: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (study, sequence, event): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        update.execute(params![seal_of(&study, sequence, &event), study, sequence])?;
        *counts.entry(study).or_default() += 1;
    }
    for (study, events) in counts {
        length.execute(params![study, events, Sealer::of("logs").text(&study).int(events).seal()])?;
    }
    Ok(())
}

fn event_seal(study: &StudyId, sequence: i64, event: &str) -> Seal {
    seal_of(study.as_str(), sequence, event)
}

fn seal_of(study: &str, sequence: i64, event: &str) -> Seal {
    Sealer::of("events").text(study).int(sequence).text(event).seal()
}

fn length_seal(study: &StudyId, events: i64) -> Seal {
    Sealer::of("logs").text(study.as_str()).int(events).seal()
}
