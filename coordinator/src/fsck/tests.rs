use std::{fs, path::Path};

use common::{checkpoint::Digest, time::Timestamp, view::ModelView, weights::WeightsFacts};
use rusqlite::Connection;

use super::*;
use crate::{played::Played, store::Store as _};

async fn found(state: &Path) -> Vec<Violation> {
    check(state, None).await.unwrap().violations
}

/// What a change by SQL, behind the store's back, is called; seals are made right where the text says so.
async fn after(played: &Played, sql: &str) -> Vec<Violation> {
    let connection = Connection::open(played.state().join("rung.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    found(&played.state()).await
}

fn assert_names(found: &[Violation], invariant: &str, trial: Option<u32>, word: &str) {
    let named = |violation: &&Violation| {
        violation.invariant == invariant
            && violation.trial.map(|trial| trial.0) == trial
            && violation.what.contains(word)
    };
    assert!(found.iter().any(|violation| named(&violation)), "{invariant} {trial:?} {word}: {found:#?}");
    let of_study = found.iter().filter(|violation| violation.invariant != "I14");
    assert!(
        of_study
            .clone()
            .all(|v| v.study.as_deref().is_none_or(|name| name == "played" || name == "0a1b2c3d"))
    );
}

#[tokio::test]
async fn a_sound_cluster_has_no_violation_at_any_moment() {
    for events in [1, 15, 40, 75, usize::MAX] {
        let played = Played::with_events(events).await;
        let findings = check(&played.state(), Some(1 << 30)).await.unwrap();
        assert_eq!(findings.violations, [], "after {events} events");
        assert_eq!((findings.studies, findings.events), (1, played.log.len() as u64));
        assert!(events < 40 || findings.objects > 0);
    }
}

#[tokio::test]
async fn a_folder_without_a_store_is_no_cluster() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(check(empty.path(), None).await, Err(FsckError::Store(StoreError::Missing(_)))));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is created by looking");
}

#[tokio::test]
async fn damaged_rows_are_named_each() {
    let played = Played::with_events(60).await;
    let sql = "UPDATE events SET event = replace(event, '\"trial\":2', '\"trial\":3') WHERE sequence = 9;\
               UPDATE trials SET view = replace(view, 'stopped', 'paused') || ' ' WHERE trial = 1;\
               UPDATE curves SET val_loss = 0.5 WHERE trial = 0;\
               UPDATE studies SET spec = replace(spec, 'played', 'prayed')";
    let found = after(&played, sql).await;
    for what in ["event 9 of study", "trial 1 of study", "of the curve of trial 0", "the spec of study"] {
        assert_names(&found, "I11", None, what);
    }
}

#[tokio::test]
async fn a_log_that_lost_events_is_named() {
    let played = Played::with_events(40).await;
    assert_names(&after(&played, "DELETE FROM events WHERE sequence = 7").await, "I11", None, "event 7");
    let played = Played::with_events(40).await;
    let found = after(&played, "DELETE FROM events WHERE sequence > 30").await;
    assert_names(&found, "I11", None, "of its");
    let played = Played::with_events(40).await;
    assert_names(&after(&played, "DELETE FROM studies").await, "I11", None, "which is missing");
}

#[tokio::test]
async fn pages_that_make_no_sense_are_named() {
    let played = Played::with_events(60).await;
    let (state, store) = (played.state(), played.store);
    drop(store);
    let file = state.join("rung.db");
    let mut bytes = fs::read(&file).unwrap();
    // A page in the middle loses its header.
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 64].fill(0xFF);
    fs::write(&file, bytes).unwrap();
    let found = found(&state).await;
    assert!(
        found.iter().any(|v| v.invariant == "I11" && v.what.contains("database is damaged")),
        "{found:#?}"
    );
}

#[tokio::test]
async fn rows_that_are_not_the_fold_of_the_log_are_named() {
    let mut played = Played::with_events(60).await;
    let mut fold = crate::driver::Projection::of(&played.id, &played.log, Timestamp(0)).unwrap();
    fold.trials[4].epochs += 1;
    fold.view.epochs += 1;
    let commit = crate::store::Commit {
        trials: vec![(played.id.clone(), fold.trials[4].clone())],
        studies: vec![fold.view],
        ..Default::default()
    };
    played.store.commit(&commit).unwrap();
    let found = found(&played.state()).await;
    assert_names(&found, "I6", Some(4), "not what the log comes to");
    assert_names(&found, "I6", None, "the study's row");
    assert_names(&after(&played, "DELETE FROM trials WHERE trial = 2").await, "I6", Some(2), "no row");
}

#[tokio::test]
async fn a_fence_that_differs_from_the_log_is_named() {
    let played = Played::with_events(60).await;
    let live = played.grants[0].lease.trial.0;
    let sql = format!(
        "UPDATE attempts SET attempt = 9 WHERE trial = 0; UPDATE attempts SET live = 0 WHERE trial = {live}"
    );
    let found = after(&played, &sql).await;
    assert_names(&found, "I2", Some(0), "fences attempt 9");
    assert_names(&found, "I1", Some(live), "takes the lease for over");
}

/// A log with a wrong event that is sealed as if it were right: the defect of a scheduler, not of a disk.
async fn with_log(change: impl FnOnce(&mut Vec<scheduler::Event>)) -> Vec<Violation> {
    let mut played = Played::with_events(usize::MAX).await;
    let mut log = played.log.clone();
    change(&mut log);
    let fold = crate::driver::Projection::of(&played.id, &played.log, Timestamp(0)).unwrap();
    let connection = Connection::open(played.state().join("rung.db")).unwrap();
    connection.execute_batch("DELETE FROM events; DELETE FROM logs; DELETE FROM attempts").unwrap();
    drop(connection);
    played.store.write_unfenced(&played.id, &log);
    let commit = crate::store::Commit { studies: vec![fold.view], ..Default::default() };
    played.store.commit(&commit).unwrap();
    found(&played.state()).await
}

#[tokio::test]
async fn what_a_scheduler_must_never_do_is_named() {
    use scheduler::Event;
    let at = |log: &[Event], is: fn(&Event) -> bool| log.iter().position(is).unwrap();
    let promoted = |event: &Event| matches!(event, Event::Promoted { .. });
    let first = with_log(|log| {
        let (promotion, result) =
            (at(log, promoted), at(log, |event| matches!(event, Event::RungFinished { .. })));
        let event = log.remove(promotion);
        log.insert(result + 1, event);
    });
    let found = first.await;
    assert!(found.iter().any(|v| v.invariant == "I7" && v.trial.is_some()), "{found:#?}");

    let twice = with_log(|log| {
        let granted = at(log, |event| matches!(event, Event::Granted { .. }));
        let mut second = log[granted].clone();
        if let Event::Granted { attempt, .. } = &mut second {
            *attempt = attempt.next();
        }
        log.insert(granted + 1, second);
    });
    let found = twice.await;
    assert!(found.iter().any(|v| v.invariant == "I1" && v.attempt.is_some()), "{found:#?}");

    let again = with_log(|log| {
        let second = log.iter().rposition(|event| matches!(event, Event::Granted { .. })).unwrap();
        if let Event::Granted { attempt, .. } = &mut log[second] {
            *attempt = Attempt(1);
        }
    });
    let found = again.await;
    assert!(found.iter().any(|v| v.invariant == "I2"), "{found:#?}");

    let after_the_end = with_log(|log| {
        let cut = at(log, |event| matches!(event, Event::Cut { .. }));
        let event = log[cut].clone();
        log.insert(cut + 1, event);
    });
    let found = after_the_end.await;
    assert!(found.iter().any(|v| v.invariant == "I13"), "{found:#?}");
}

#[tokio::test]
async fn checkpoints_that_are_gone_or_damaged_are_named() {
    let played = Played::with_events(60).await;
    let fold = crate::driver::Projection::of(&played.id, &played.log, Timestamp(0)).unwrap();
    let [gone, flipped] = [&fold.objects()[0], &fold.objects()[3]];
    let path = |key: &ObjectKey| played.state().join("objects").join(key.path().as_ref());
    fs::remove_file(path(gone)).unwrap();
    let mut bytes = fs::read(path(flipped)).unwrap();
    bytes[3] ^= 4;
    fs::write(path(flipped), bytes).unwrap();
    let found = found(&played.state()).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_names(&found, "I9", Some(gone.trial.0), "is not stored");
    assert_names(&found, "I11", Some(flipped.trial.0), "is damaged");
}

#[tokio::test]
async fn more_than_the_quota_is_named() {
    let played = Played::with_events(60).await;
    let bytes = check(&played.state(), None).await.unwrap().bytes;
    assert_eq!(check(&played.state(), Some(bytes)).await.unwrap().violations, []);
    let found = check(&played.state(), Some(bytes - 1)).await.unwrap().violations;
    assert_names(&found, "I14", None, "bytes are stored");
}

#[tokio::test]
async fn weights_are_backed_up_and_those_that_are_gone_or_damaged_are_named() {
    let mut played = Played::with_events(15).await;
    let (digest, tensors) = (Digest::of(b"weights"), [("dense_0.bias".to_owned(), vec![3])].into());
    let facts = WeightsFacts { digest, tensors, origin: None };
    let model = ModelView { name: "mine".parse().unwrap(), facts, size: 7, created: Timestamp(9) };
    played.blobs.put_model(digest, "weights".into()).await.unwrap();
    let commit = crate::store::Commit { models: vec![model], ..Default::default() };
    played.store.commit(&commit).unwrap();
    assert_eq!(found(&played.state()).await, []);

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    crate::backup::backup(&played.state(), &to).await.unwrap();
    assert_eq!(found(&to).await, []);
    assert_eq!(Blobs::open(&to).unwrap().get_model(digest).await.unwrap(), "weights");

    fs::write(played.state().join(format!("objects/models/{digest}.safetensors")), "weighty").unwrap();
    assert_names(&found(&played.state()).await, "I11", None, "weights mine: ");
    played.blobs.delete_model(digest).await.unwrap();
    assert_names(&found(&played.state()).await, "I9", None, "weights mine: ");
    let found = after(&played, "UPDATE models SET size = 8").await;
    assert_names(&found, "I11", None, "the row of weights mine is damaged");
}
