use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use common::hparams::{Hparams, Scalar};
use proto::v1::{
    self as pb, coordinator_message::Kind as Down, report::Kind as News, worker_message::Kind as Up,
};
use tokio::time::sleep;

use crate::{
    coordinator::{Coordinator, Session, epochs, lease},
    program::Worker,
};

pub(crate) fn x() -> Hparams {
    Hparams::from([("x", Scalar::Float(0.5))])
}

async fn trained(session: &mut Session, lease: &pb::Lease, work: pb::TrainWork) -> pb::TrainingFinished {
    session.train(lease, &x(), work).await;
    match session.reports(lease).await.pop() {
        Some(News::Finished(finished)) => finished,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_worker_introduces_itself_and_asks_for_work() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &["--slots", "2"]);
    let mut session = coordinator.join().await;
    let hello = &session.hello;
    assert_eq!((hello.protocol, hello.worker.as_str(), hello.slots), (proto::PROTOCOL, "w", 2));
    assert!(hello.held.is_empty());
    assert!(!hello.device.as_ref().unwrap().host.is_empty());
    session.credits(2).await;
}

#[tokio::test]
async fn epochs_are_reported_and_the_end_names_stored_objects() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    session.train(&lease(4, 1), &x(), epochs(0, 3)).await;
    let mut news = session.reports(&lease(4, 1)).await;
    let Some(News::Finished(finished)) = news.pop() else { panic!("{news:?}") };
    let reported: Vec<_> =
        news.iter().map(|kind| matches!(kind, News::Epoch(point) if point.epoch > 0)).collect();
    assert_eq!(reported, [true; 3]);
    let checkpoint = finished.checkpoint.unwrap();
    assert_eq!((finished.last.unwrap().epoch, checkpoint.epoch), (3, 3));
    assert!(coordinator.object(&checkpoint.weights).is_some());
    assert!(coordinator.object(&checkpoint.state).is_some());
    session.credits(1).await;
}

#[tokio::test]
async fn resumed_epochs_equal_an_unbroken_run_on_the_same_and_on_another_worker() {
    let mut coordinator = Coordinator::start().await;
    let first = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    let straight = trained(&mut session, &lease(0, 1), epochs(0, 9)).await.checkpoint;
    let part = trained(&mut session, &lease(1, 1), epochs(0, 3)).await.checkpoint;
    let rest = pb::TrainWork { resume: part, ..epochs(3, 9) };
    assert_eq!(trained(&mut session, &lease(1, 2), rest.clone()).await.checkpoint, straight);
    drop((first, session));

    let _second = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    assert_eq!(trained(&mut session, &lease(2, 1), rest).await.checkpoint, straight);
}

/// How many checkpoints lie in the folders of leases now.
fn weights_in(scratch: &Path) -> usize {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let leases = names(scratch).iter().flat_map(|own| names(own)).collect::<Vec<_>>();
    let weights = |path: &PathBuf| path.to_string_lossy().ends_with(".weights.safetensors");
    leases.iter().flat_map(|lease| names(lease)).filter(weights).count()
}

#[tokio::test]
async fn old_checkpoints_are_replaced_on_the_way() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &["--checkpoint-every", "0.001"]);
    let mut session = coordinator.join().await;
    session.study("epoch_seconds: 0.05").await;
    session.train(&lease(4, 1), &x(), epochs(0, 20)).await;
    let mut most = 0;
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let own = lease(4, 1);
    let news = session.reports(&own);
    tokio::pin!(news);
    let news = loop {
        tokio::select! {
            news = &mut news => break news,
            _ = looks.tick() => most = most.max(weights_in(worker.scratch.path())),
        }
    };
    let stored = news.iter().filter_map(|kind| match kind {
        News::Checkpointed(checkpoint) => Some(checkpoint),
        _ => None,
    });
    let stored = stored.collect::<Vec<_>>();
    assert!(stored.len() > 1, "{news:?}");
    // The one that is stored, the one that is being stored, the newest, and one that the newest is about to replace.
    assert!((1..=4).contains(&most), "{most} at a time, of twenty");
    assert!(stored.iter().all(|checkpoint| checkpoint.epoch < 20));
    assert!(stored.iter().all(|checkpoint| coordinator.object(&checkpoint.weights).is_some()));
}

#[tokio::test]
async fn a_checkpoint_is_evaluated() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    let checkpoint = trained(&mut session, &lease(4, 1), epochs(0, 3)).await.checkpoint;
    let work = pb::grant::Work::Evaluate(pb::EvaluateWork { checkpoint });
    session.grant(&lease(4, 2), &x(), work).await;
    let news = session.reports(&lease(4, 2)).await;
    let [News::Evaluated(evaluated)] = &news[..] else { panic!("{news:?}") };
    assert!(evaluated.test.unwrap().accuracy > 0.0);
    assert!(evaluated.validation.unwrap().loss < evaluated.test.unwrap().loss);
    assert_eq!(evaluated.epoch, 3);
    for digest in [&evaluated.probabilities, &evaluated.validation_probabilities] {
        assert_eq!(coordinator.object(digest).unwrap().len(), 16 * 10 * 4);
    }
}

/// A worker whose next lease evaluates what it trained, which takes so many seconds.
async fn about_to_evaluate(
    coordinator: &mut Coordinator,
    flags: &[&str],
    seconds: f64,
) -> (Worker, Session, pb::grant::Work) {
    let worker = Worker::start(coordinator, flags);
    let mut session = coordinator.join().await;
    session.study("").await;
    let checkpoint = trained(&mut session, &lease(4, 1), epochs(0, 1)).await.checkpoint;
    session.credits(1).await;
    session.study(&format!("epoch_seconds: {seconds}")).await;
    (worker, session, pb::grant::Work::Evaluate(pb::EvaluateWork { checkpoint }))
}

#[tokio::test]
async fn an_evaluation_may_last_for_longer_than_a_trainer_may_hang() {
    let mut coordinator = Coordinator::start().await;
    let flags = ["--hang-timeout", "1"];
    let (_worker, mut session, work) = about_to_evaluate(&mut coordinator, &flags, 2.5).await;
    session.grant(&lease(4, 2), &x(), work).await;
    let news = session.reports(&lease(4, 2)).await;
    assert!(matches!(&news[..], [News::Evaluated(_)]), "{news:?}");
}

#[tokio::test]
async fn an_evaluation_ends_when_it_is_told_to() {
    let mut coordinator = Coordinator::start().await;
    let (mut worker, mut session, work) = about_to_evaluate(&mut coordinator, &[], 60.0).await;
    let trainers = worker.trainers();
    for attempt in [2, 3] {
        session.grant(&lease(4, attempt), &x(), work.clone()).await;
        session.credits(0).await;
        // Until the trainer is at it.
        sleep(Duration::from_millis(300)).await;
        if attempt == 2 {
            session.say(Down::Revoke(pb::Revoke { leases: vec![lease(4, 2)] })).await;
            session.credits(1).await;
            assert_eq!(worker.trainers(), trainers, "a trainer that obeys is not killed");
        }
    }
    session.say(Down::Drain(pb::Drain {})).await;
    let news = session.reports(&lease(4, 3)).await;
    assert!(matches!(&news[..], [News::Released(released)] if released.checkpoint.is_none()), "{news:?}");
    session.closed().await;
    assert_eq!(worker.exit().await.code(), Some(0));
}

#[tokio::test]
async fn two_slots_work_at_the_same_time() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &["--slots", "2", "--cores", "0"]);
    let mut session = coordinator.join().await;
    session.credits(2).await;
    assert_eq!(worker.trainers().len(), 2);
    session.study("epoch_seconds: 60").await;
    session.train(&lease(1, 1), &x(), epochs(0, 1)).await;
    session.train(&lease(2, 1), &x(), epochs(0, 1)).await;
    session.credits(0).await;
}

#[tokio::test]
async fn a_checkpoint_that_is_nowhere_fails_the_attempt() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    let digest = "ab".repeat(32);
    let resume = pb::Checkpoint { epoch: 3, weights: digest.clone(), state: digest };
    session.train(&lease(4, 1), &x(), pb::TrainWork { resume: Some(resume), ..epochs(3, 9) }).await;
    let news = session.reports(&lease(4, 1)).await;
    assert!(
        matches!(&news[..], [News::Failed(failed)] if failed.reason.contains("no such object")),
        "{news:?}"
    );
    session.credits(1).await;
}

#[tokio::test]
async fn heartbeats_fill_the_silence() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.session().await;
    session.welcome(600, vec![]).await;
    session.credits(1).await;
    for _ in 0..3 {
        assert!(matches!(session.next().await, Up::Heartbeat(_)));
    }
}
