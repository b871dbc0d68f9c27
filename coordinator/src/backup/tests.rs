use std::{collections::BTreeMap, time::Duration};

use common::view::TrialView;
use scheduler::Event;

use super::*;
use crate::{
    driver::Machine,
    fsck,
    played::Played,
    store::{SqliteStore, Store as _},
};

fn table(id: &StudyId, log: &[Event]) -> Vec<TrialView> {
    let mut trials = Projection::of(id, log, Timestamp(0)).unwrap().trials;
    trials.iter_mut().for_each(|trial| trial.attempts = 0);
    trials
}

/// Goes on with a backup until its study has finished, with the worker of the original.
async fn restored(mut played: Played, backup: &Path, now: Timestamp) -> Played {
    let mut store = SqliteStore::open(backup).unwrap();
    assert!(store.commit(&store::Commit::default()).is_err(), "nobody has taken it up");
    assert!(store.take_up(now).unwrap());
    assert!(!store.take_up(now).unwrap(), "once");
    let stored = store.load().unwrap();
    played.log = stored[0].log.clone();
    played.machine = Machine::recover(stored, Duration::from_secs(30), now).unwrap();
    (played.store, played.blobs) = (store, Blobs::open(backup).unwrap());
    played.connect(9);
    played
}

#[tokio::test]
async fn a_backup_finishes_with_the_same_table_and_repeats_no_attempt() {
    let mut played = Played::with_events(45).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backups/today");
    let made = backup(&played.state(), &to).await.unwrap();
    assert!(made.studies == 1 && made.objects > 0 && made.bytes > 0);
    assert_eq!(fsck::check(&to, None).await.unwrap().violations, []);

    // The original goes on, and gives attempts that the backup knows nothing of.
    while !played.is_finished() {
        played.act().await;
        if played.log.len() % 3 == 0 {
            played.connect(played.log.len() as u64);
        }
    }
    let expected = table(&played.id, &played.log);
    let mut highest: BTreeMap<_, u64> = BTreeMap::new();
    for event in &played.log {
        if let (Some(trial), Some(attempt)) = (event.trial(), event.attempt()) {
            let known = highest.entry(trial).or_default();
            *known = attempt.0.max(*known);
        }
    }
    let now = Timestamp(1_790_000_000_000);
    let mut played = restored(played, &to, now).await;
    let before = played.log.len();
    while !played.is_finished() {
        played.act().await;
    }
    assert_eq!(table(&played.id, &played.log), expected);
    for event in &played.log[before..] {
        let (Event::Granted { trial, attempt, .. }, true) = (event, true) else { continue };
        assert!(attempt.0 > highest.get(trial).copied().unwrap_or(0), "attempt {attempt} of trial {trial}");
    }
    assert_eq!(scheduler::audit::audit(&played.log), Vec::<String>::new());
    let leases = Projection::of(&played.id, &played.log, Timestamp(0)).unwrap().trials;
    assert!(leases.iter().all(|trial| trial.attempts < 20), "people see how many leases there were");
    assert_eq!(fsck::check(&to, None).await.unwrap().violations, []);
}

#[tokio::test]
async fn two_restores_of_one_backup_give_different_attempts() {
    let played = Played::with_events(45).await;
    let folder = tempfile::tempdir().unwrap();
    let floors = async |played: &Played, at: u64| {
        let to = folder.path().join(at.to_string());
        backup(&played.state(), &to).await.unwrap();
        let mut store = SqliteStore::open(&to).unwrap();
        store.take_up(Timestamp(at)).unwrap();
        let log = store.log(&played.id).unwrap();
        let Some(Event::Restored { floor, .. }) = log.last() else { panic!("it says that it was restored") };
        *floor
    };
    assert_eq!(floors(&played, 1_790_000_000_000).await, 1_790_000_000_000);
    assert_eq!(floors(&played, 1_790_000_001_000).await, 1_790_000_001_000);
    assert!(floors(&played, 0).await > 60_000, "a clock that is wrong costs nothing but a guess");
}

#[tokio::test]
async fn what_is_there_is_not_replaced_and_what_fails_leaves_nothing() {
    let played = Played::with_events(45).await;
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(backup(&played.state(), folder.path()).await, Err(BackupError::Occupied(_))));
    let empty = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let missing = backup(empty.path(), &to).await;
    assert!(matches!(missing, Err(BackupError::Store(StoreError::Missing(_)))), "{missing:?}");

    let fold = Projection::of(&played.id, &played.log, Timestamp(0)).unwrap();
    let damaged = played.state().join("objects").join(fold.objects()[0].path().as_ref());
    fs::write(&damaged, "other bytes").unwrap();
    assert!(matches!(backup(&played.state(), &to).await, Err(BackupError::Object(BlobError::Damaged(_)))));
    fs::remove_file(&damaged).unwrap();
    assert!(matches!(backup(&played.state(), &to).await, Err(BackupError::Object(BlobError::Missing(_)))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
