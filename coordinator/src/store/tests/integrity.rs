//! What is stored is what was written, by one coordinator at a time, each attempt once.

use common::ids::{Attempt, WorkerId};
use scheduler::Work;

use super::*;
use crate::played::Played;

/// Everything that a reader can see.
#[derive(Debug, PartialEq)]
struct Seen {
    studies: Vec<StudyView>,
    spec: String,
    trials: Vec<TrialView>,
    log: Vec<Event>,
    curves: Vec<String>,
}

fn seen(state: &Path) -> Result<Seen, StoreError> {
    let reader = Reader::open(state)?;
    let trials = reader.trials(&id())?;
    let curves = (0..17).map(|trial| Ok(format!("{:?}", reader.curve(&id(), TrialNumber(trial))?)));
    Ok(Seen {
        studies: reader.studies()?,
        spec: reader.spec(&id())?.to_json(),
        log: reader.log(&id())?,
        curves: curves.collect::<Result<_, StoreError>>()?,
        trials,
    })
}

fn granted(attempt: u64) -> Event {
    let worker: WorkerId = "w".parse().unwrap();
    let work = Work::Train { from_epoch: 0, to_epoch: 1, resume: None };
    Event::Granted { trial: TrialNumber(0), attempt: Attempt(attempt), worker, work, at: Timestamp(6) }
}

fn lost(attempt: u64) -> Event {
    Event::LeaseLost { trial: TrialNumber(0), attempt: Attempt(attempt) }
}

/// Appends events after the first.
fn append(store: &mut SqliteStore, from: u64, events: &[Event]) -> Result<(), StoreError> {
    let numbered = events.iter().cloned().zip(from..).map(|(event, at)| (id(), at, event));
    store.commit(&Commit { events: numbered.collect(), ..Commit::default() })
}

#[test]
fn a_coordinator_whose_lock_was_lost_commits_nothing_more() {
    let state = tempfile::tempdir().unwrap();
    let mut old = SqliteStore::open(state.path()).unwrap();
    old.commit(&created()).unwrap();
    let mut new = SqliteStore::open(state.path()).unwrap();
    let pause = [Event::Paused { at: Timestamp(9) }];
    let refused = append(&mut old, 1, &pause);
    assert!(matches!(refused, Err(StoreError::Superseded { own: 1, current: 2 })), "{refused:?}");
    assert_eq!(new.log(&id()).unwrap().len(), 1);
    append(&mut new, 1, &pause).unwrap();
    assert!(append(&mut old, 2, &[Event::Resumed { at: Timestamp(9) }]).is_err(), "not later either");
    assert!(matches!(old.reopen(), Err(StoreError::Superseded { .. })));
}

#[test]
fn every_attempt_is_checked_in_the_transaction_that_stores_it() {
    let state = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(state.path()).unwrap();
    store.commit(&created()).unwrap();
    let mut refuses = |from, events: &[Event]| {
        let done = append(&mut store, from, events);
        assert!(matches!(done, Err(StoreError::Fenced { .. })), "{events:?}: {done:?}");
        assert_eq!(store.log(&id()).unwrap().len() as u64, from, "nothing of it is stored");
    };
    refuses(1, &[lost(1)]);
    refuses(1, &[granted(0)]);
    append(&mut store, 1, &[granted(1)]).unwrap();
    let mut refuses = |from, events: &[Event]| {
        let done = append(&mut store, from, events);
        assert!(matches!(done, Err(StoreError::Fenced { .. })), "{events:?}: {done:?}");
    };
    refuses(2, &[granted(2)]);
    refuses(2, &[lost(2)]);
    refuses(2, &[lost(1), lost(1)]);
    refuses(2, &[lost(1), granted(1)]);
    append(&mut store, 2, &[lost(1), granted(2)]).unwrap();
    assert!(append(&mut store, 4, &[lost(1)]).is_err(), "a late one of the first attempt");
    let ended =
        Event::BudgetEnded { reason: scheduler::EndReason::Requested, reached: None, at: Timestamp(7) };
    append(&mut store, 4, &[ended]).unwrap();
    assert!(append(&mut store, 5, &[lost(2)]).is_err(), "the end of training has taken it back");
}

#[test]
fn damaged_attempts_are_made_anew_from_the_log_at_the_start() {
    let state = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(state.path()).unwrap();
    store.commit(&created()).unwrap();
    append(&mut store, 1, &[granted(1), lost(1)]).unwrap();
    let connection = rusqlite::Connection::open(state.path().join("rung.db")).unwrap();
    let attempts = || {
        connection
            .prepare("SELECT trial, attempt, live FROM attempts")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<Vec<(i64, i64, bool)>, _>>()
            .unwrap()
    };
    let before = attempts();
    for damage in
        ["UPDATE attempts SET attempt = 9", "UPDATE attempts SET live = 1", "UPDATE attempts SET trial = 7"]
    {
        connection.execute_batch(damage).unwrap();
        assert_ne!(attempts(), before);
        assert_eq!(store.load().unwrap().len(), 1);
        assert_eq!(attempts(), before, "{damage}");
    }
    append(&mut store, 3, &[granted(2)]).unwrap();
}

/// Whether a check of everything finds damage.
fn fsck_names(state: &Path) -> bool {
    let reader = Reader::open(state).unwrap();
    let mut damage = 0;
    // Pages that cannot be walked are damage too, and end the check with SQLite's words for it.
    let inspected = reader.inspect(|rows| damage += rows.damage.len());
    inspected.is_err() || damage > 0
}

/// One bit after the other, all over the file: what is read is what was written, or an error that says so.
#[tokio::test]
async fn a_flipped_bit_is_never_read() {
    let played = Played::with_events(60).await;
    let state = played.state();
    let clean = {
        drop(played.store);
        // The last connection to close writes everything into the one file.
        seen(&state).unwrap()
    };
    let file = state.join("rung.db");
    let whole = std::fs::read(&file).unwrap();
    let (mut detected, mut silent) = (0, Vec::new());
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&file, &bytes).unwrap();
        let _ = std::fs::remove_file(state.join("rung.db-wal"));
        let _ = std::fs::remove_file(state.join("rung.db-shm"));
        match seen(&state) {
            Err(_) => detected += 1,
            Ok(found) if found == clean => {}
            // A row whose key is damaged is missing where it is looked up; who looks at all of them finds it.
            Ok(_) if fsck_names(&state) => detected += 1,
            Ok(_) => silent.push(at),
        }
    }
    assert!(detected > 100, "most of the file is rows: {detected} of {} bits were noticed", whole.len() / 97);
    assert!(silent.is_empty(), "damage at {silent:?} went unnoticed");
}

#[tokio::test]
async fn damage_to_an_event_is_named() {
    let played = Played::with_events(20).await;
    let (state, mut store) = (played.state(), played.store);
    let connection = rusqlite::Connection::open(state.join("rung.db")).unwrap();
    let change = "UPDATE events SET event = replace(event, 'granted', 'gRanted') WHERE sequence = 2";
    assert_eq!(connection.execute(change, []).unwrap(), 1);
    let error = store.log(&id()).unwrap_err().to_string();
    assert!(error.contains("event 2 of study 0a1b2c3d is damaged"), "{error}");
    assert!(error.contains("rung fsck"), "{error}");
    connection.execute("DELETE FROM events WHERE sequence >= 2", []).unwrap();
    let error = store.log(&id()).unwrap_err().to_string();
    assert!(error.contains("has 2 of its"), "{error}");
    connection.execute("DELETE FROM logs", []).unwrap();
    assert!(store.log(&id()).is_err(), "a log without its length is not whole either");
}

#[tokio::test]
async fn a_study_whose_row_is_gone_stops_the_start() {
    let mut played = Played::with_events(20).await;
    assert_eq!(played.store.load().unwrap().len(), 1);
    let connection = rusqlite::Connection::open(played.state().join("rung.db")).unwrap();
    connection.execute("UPDATE studies SET study = '0a1b2c3e'", []).unwrap();
    assert!(played.store.load().is_err(), "its row is another one's");
    connection.execute("DELETE FROM studies", []).unwrap();
    let error = played.store.load().unwrap_err().to_string();
    assert!(error.contains("the row of study 0a1b2c3d, which is missing,"), "{error}");
}

#[tokio::test]
async fn rows_of_an_earlier_release_are_sealed_by_the_next_writer() {
    let played = Played::with_events(30).await;
    let state = played.state();
    let clean = seen(&state).unwrap();
    drop(played.store);
    let connection = rusqlite::Connection::open(state.join("rung.db")).unwrap();
    let back = "DROP TABLE coordinator; DROP TABLE attempts; DROP TABLE logs; DROP TABLE models; \
                PRAGMA user_version = 2;";
    connection.execute_batch(back).unwrap();
    for (table, column) in [
        ("events", "seal"),
        ("studies", "seal"),
        ("studies", "spec_seal"),
        ("trials", "seal"),
        ("curves", "seal"),
        ("data", "seal"),
    ] {
        connection.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
    }
    drop(connection);
    assert_eq!(seen(&state).unwrap(), clean, "read as it is");
    let mut store = SqliteStore::open(&state).unwrap();
    assert_eq!(seen(&state).unwrap(), clean);
    let live = &played.grants[0].lease;
    let live = (live.trial, live.attempt);
    let stale = Event::LeaseLost { trial: live.0, attempt: Attempt(live.1.0 + 1) };
    let next = clean.log.len() as u64;
    assert!(matches!(append(&mut store, next, &[stale]), Err(StoreError::Fenced { .. })));
    append(&mut store, next, &[Event::LeaseLost { trial: live.0, attempt: live.1 }]).unwrap();
}

#[tokio::test]
async fn a_store_goes_on_after_it_was_opened_anew() {
    let mut played = Played::with_events(20).await;
    let before = played.store.log(&id()).unwrap();
    played.store.break_off();
    played.store.reopen().unwrap();
    assert_eq!(played.store.log(&id()).unwrap(), before);
    while !played.is_finished() {
        played.act().await;
    }
}
