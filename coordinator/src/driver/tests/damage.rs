//! Checkpoints that are gone or damaged: the one before counts, and the result is the same.

use scheduler::{Event, Work};

use super::super::{Happened, Input, Request, RequestId};
use crate::{blobs::ObjectKey, driver::Projection, played::Played};
use common::{
    checkpoint::Checkpoint,
    time::Timestamp,
    view::{LeaseId, TrialView},
};

/// A cluster whose worker has a lease that goes on from a checkpoint.
async fn resuming() -> (Played, Checkpoint) {
    let mut played = Played::begin().await;
    loop {
        if let Work::Train { resume: Some(checkpoint), .. } = played.grants[0].work {
            return (played, checkpoint);
        }
        played.act().await;
    }
}

/// The worker does what comes before the next lease of the same trial.
async fn until(played: &mut Played, lease: &LeaseId) {
    while played.grants[0].lease.trial != lease.trial {
        played.act().await;
    }
}

fn report_damaged(played: &mut Played, checkpoint: &Checkpoint) {
    let lease = played.grants[0].lease.clone();
    let [weights, _] = ObjectKey::of_checkpoint(&lease.study, lease.trial, checkpoint);
    played.handle(vec![Input::Asked { id: RequestId(9), request: Request::Damaged(weights) }]);
    // The worker's own complaint comes after the lease's end, and counts against nothing.
    played.report(&lease, vec![Happened::Failed("object is damaged".to_owned())]);
}

fn table(played: &Played) -> Vec<TrialView> {
    let mut trials = Projection::of(&played.id, &played.log, Timestamp(0)).unwrap().trials;
    trials.iter_mut().for_each(|trial| trial.attempts = 0);
    trials
}

async fn undisturbed() -> Vec<TrialView> {
    table(&Played::with_events(usize::MAX).await)
}

#[tokio::test]
async fn the_checkpoint_before_a_damaged_one_counts_and_the_result_is_the_same() {
    let (mut played, first) = resuming().await;
    let lease = played.grants[0].lease.clone();
    let second = played.checkpoint(first.epoch + 1).await;
    played.connect(2);
    until(&mut played, &lease).await;
    let Work::Train { resume, .. } = played.grants[0].work else { panic!("it trains") };
    assert_eq!(resume, Some(second));

    report_damaged(&mut played, &second);
    until(&mut played, &lease).await;
    let Work::Train { resume, from_epoch, .. } = played.grants[0].work else { panic!("it trains") };
    assert_eq!((resume, from_epoch), (Some(first), first.epoch), "the one before");
    assert!(played.grants[0].lease.attempt.0 > lease.attempt.0 + 1);

    report_damaged(&mut played, &first);
    until(&mut played, &lease).await;
    let Work::Train { resume, from_epoch, .. } = played.grants[0].work else { panic!("it trains") };
    assert_eq!((resume, from_epoch), (None, 0), "and with none left it begins anew");
    assert!(!played.log.iter().any(|event| matches!(event, Event::AttemptFailed { .. })));

    while !played.is_finished() {
        played.act().await;
    }
    assert_eq!(table(&played), undisturbed().await);
    assert_eq!(scheduler::audit::audit(&played.log), Vec::<String>::new());
    let study = scheduler::Study::replay(&played.log).unwrap();
    assert_eq!(study.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_complaint_about_a_checkpoint_that_nobody_goes_on_from_changes_nothing() {
    let (mut played, checkpoint) = resuming().await;
    let events = played.log.len();
    let lease = played.grants[0].lease.clone();
    let [weights, state] = ObjectKey::of_checkpoint(&lease.study, lease.trial, &checkpoint);
    let other = |key: ObjectKey| Input::Asked { id: RequestId(9), request: Request::Damaged(key) };
    let strangers = [
        ObjectKey { epoch: 77, ..weights.clone() },
        ObjectKey { trial: common::ids::TrialNumber(16), ..weights.clone() },
        ObjectKey { study: "ffffffff".parse().unwrap(), ..weights.clone() },
        // Sound, but not by this name.
        ObjectKey { kind: state.kind, ..weights },
    ];
    played.handle(strangers.into_iter().map(other).collect());
    assert_eq!((played.log.len(), &played.grants[0].lease), (events, &lease));
}

#[tokio::test]
async fn a_result_that_was_lost_with_its_store_is_nobodys_failure() {
    let (mut played, _) = resuming().await;
    let lease = played.grants[0].lease.clone();
    played.report(&lease, vec![Happened::Missing]);
    assert!(!played.log.iter().any(|event| matches!(event, Event::AttemptFailed { .. })));
    played.connect(2);
    while !played.is_finished() {
        played.act().await;
    }
    assert_eq!(table(&played), undisturbed().await);
}
