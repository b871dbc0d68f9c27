//! Objects that nobody can ask for any more are deleted, and no others.

use std::{collections::BTreeSet as Set, fs, time::Duration};

use bytes::Bytes;

use super::*;
use crate::{blobs::ObjectKey, driver::Projection, played::Played};

/// Waits until the objects of a folder are exactly these.
async fn becomes(blobs: &Blobs, expected: &Set<ObjectKey>) {
    let mut found = Set::new();
    for _ in 0..500 {
        found = blobs.of_study(None).await.unwrap().into_iter().map(|object| object.key).collect();
        if found == *expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("left over: {:#?}\nlost: {:#?}", found.difference(expected), expected.difference(&found));
}

fn needed(played: &Played) -> Set<ObjectKey> {
    Projection::of(&played.id, &played.log, Timestamp(0)).unwrap().objects().into_iter().collect()
}

/// A driver on a folder that a cluster was killed in, before it deleted anything.
#[allow(clippy::disallowed_methods, reason = "a test's task ends with the test")]
async fn started(
    played: &mut Played,
) -> (Driver, CancellationToken, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let mut store = SqliteStore::open(&played.state()).unwrap();
    let clock = Clock::system();
    let machine = Machine::recover(store.load().unwrap(), Duration::from_secs(30), clock.now()).unwrap();
    let blobs = Arc::new(Blobs::open(&played.state()).unwrap());
    let stop = CancellationToken::new();
    let (driver, running) = run(machine, Box::new(store), blobs, clock, stop.clone());
    (driver, stop, tokio::spawn(running))
}

/// An object of an attempt that never told of it, of a study that is not there, and half an upload; all of an hour ago.
async fn orphans(played: &Played) -> std::path::PathBuf {
    let bytes = Bytes::from_static(b"orphan");
    let digest = Digest::of(&bytes);
    let kind = crate::blobs::ObjectKind::Weights;
    for (study, trial) in [("0a1b2c3d", 3), ("ffffffff", 0)] {
        let trial = TrialNumber(trial);
        let key = ObjectKey { study: study.parse().unwrap(), trial, epoch: 1, kind, digest };
        played.blobs.put(&key, bytes.clone()).await.unwrap();
    }
    let half = played.state().join("objects/0a1b2c3d/3/1-state-00.safetensors#1");
    fs::write(&half, "half").unwrap();
    let hour_ago = fs::metadata(&half).unwrap().modified().unwrap() - Duration::from_secs(3600);
    let stranger =
        played.state().join("objects/ffffffff/0").read_dir().unwrap().next().unwrap().unwrap().path();
    for file in [&half, &stranger] {
        fs::File::options().append(true).open(file).unwrap().set_modified(hour_ago).unwrap();
    }
    half
}

#[tokio::test]
async fn what_a_crash_left_behind_is_deleted_by_the_next_start() {
    for events in [40, 90, usize::MAX] {
        let mut played = Played::with_events(events).await;
        let before = played.blobs.of_study(None).await.unwrap().len();
        let half = orphans(&played).await;
        let needed = needed(&played);
        assert!(needed.len() < before, "something is superfluous");
        let (_driver, stop, running) = started(&mut played).await;
        becomes(&played.blobs, &needed).await;
        assert!(!half.exists());
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}

/// Thousands of files take their time: others need not wait for them, but whoever ends the coordinator does.
#[tokio::test]
async fn a_deleted_study_is_gone_when_the_driver_has_ended() {
    let mut played = Played::with_events(usize::MAX).await;
    let kept = needed(&played);
    assert!(!kept.is_empty(), "a finished study keeps objects");
    let (driver, stop, running) = started(&mut played).await;
    becomes(&played.blobs, &kept).await;
    let answer = driver.ask(Request::Delete(played.id.clone())).await;
    assert_eq!(answer, Ok(Answer::Deleted));
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(played.blobs.of_study(None).await.unwrap(), []);
}

/// At every moment what is kept is enough: no lease is given on a checkpoint that was deleted.
#[tokio::test]
async fn what_is_kept_is_enough_to_go_on() {
    let mut played = Played::begin().await;
    let started = Timestamp(u64::MAX / 2);
    while !played.is_finished() {
        let found = played.blobs.of_study(None).await.unwrap();
        for key in played.machine.garbage(&found, started) {
            played.blobs.delete(&key).await.unwrap();
        }
        let resumes = match played.grants[0].work {
            scheduler::Work::Train { resume, .. } => resume,
            scheduler::Work::Evaluate { checkpoint } => Some(checkpoint),
        };
        if let Some(checkpoint) = resumes {
            let lease = &played.grants[0].lease;
            for key in ObjectKey::of_checkpoint(&lease.study, lease.trial, &checkpoint) {
                played.blobs.get(&key).await.unwrap();
            }
        }
        played.act().await;
    }
    let left = played.blobs.of_study(None).await.unwrap().len();
    assert!(left < 15, "a study of 17 trials keeps {left} objects");
}

/// An upload that no event names yet belongs to a lease that is out.
#[tokio::test]
async fn an_upload_on_its_way_is_kept() {
    let mut played = Played::begin().await;
    while played.grants[0].work == (scheduler::Work::Train { from_epoch: 0, to_epoch: 1, resume: None }) {
        played.act().await;
    }
    let (grant, started) = (played.grants[0].clone(), Timestamp(u64::MAX / 2));
    let fresh = played.put_checkpoint(&grant, 2).await;
    let fresh = ObjectKey::of_checkpoint(&grant.lease.study, grant.lease.trial, &fresh);
    let of_trial = played.blobs.of_trial(&grant.lease.study, grant.lease.trial).await.unwrap();
    assert_eq!(played.machine.garbage(&of_trial, started), []);
    // The worker is gone, and so is what it had not told.
    played.connect(2);
    let left = played.blobs.of_trial(&grant.lease.study, grant.lease.trial).await.unwrap();
    assert_eq!(played.grants[0].lease.trial, grant.lease.trial, "it is given again at once");
    assert_eq!(played.machine.garbage(&left, started), [], "the next attempt may be storing the very same");
    played.act().await;
    let left = played.blobs.of_trial(&grant.lease.study, grant.lease.trial).await.unwrap();
    assert!(fresh.iter().all(|key| played.machine.garbage(&left, started).contains(key)));
}
