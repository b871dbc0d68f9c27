use std::{fs, process::Stdio, time::Duration};

use nix::sys::signal::Signal;
use proto::v1::{
    self as pb, coordinator_message::Kind as Down, report::Kind as News, worker_message::Kind as Up,
};

use tokio::time::timeout;

use crate::{
    coordinator::{Coordinator, PATIENCE, Session, epochs, lease},
    leases::x,
    program::{Worker, gone, program},
};

/// A worker in the middle of a long trial, with at least one epoch behind it.
async fn busy(coordinator: &mut Coordinator) -> (Worker, Session) {
    busy_with(coordinator, &[]).await
}

async fn busy_with(coordinator: &mut Coordinator, flags: &[&str]) -> (Worker, Session) {
    let worker = Worker::start(coordinator, flags);
    let mut session = coordinator.join().await;
    session.study("epoch_seconds: 0.1").await;
    session.train(&lease(4, 1), &x(), epochs(0, 10_000)).await;
    while !matches!(session.next().await, Up::Reports(_)) {}
    (worker, session)
}

async fn handed_back(coordinator: &Coordinator, session: &mut Session) {
    let news = session.reports(&lease(4, 1)).await;
    let Some(News::Released(released)) = news.last() else { panic!("{news:?}") };
    let checkpoint = released.checkpoint.as_ref().unwrap();
    assert!(coordinator.object(&checkpoint.weights).is_some());
    session.closed().await;
}

#[tokio::test]
async fn signals_drain_and_exit_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        let mut coordinator = Coordinator::start().await;
        let (mut worker, mut session) = busy(&mut coordinator).await;
        worker.signal(signal);
        handed_back(&coordinator, &mut session).await;
        assert_eq!(worker.exit().await.code(), Some(0), "{signal}");
        assert_eq!(fs::read_dir(worker.scratch.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn the_coordinator_can_ask_for_a_drain() {
    let mut coordinator = Coordinator::start().await;
    let (mut worker, mut session) = busy(&mut coordinator).await;
    session.say(Down::Drain(pb::Drain {})).await;
    handed_back(&coordinator, &mut session).await;
    assert_eq!(worker.exit().await.code(), Some(0));
}

#[tokio::test]
async fn an_idle_worker_without_coordinator_leaves_at_once() {
    let coordinator = Coordinator::start().await;
    let mut worker = Worker::start(&coordinator, &[]);
    drop(coordinator.stop().await);
    while worker.trainers().is_empty() {
        tokio::task::yield_now().await;
    }
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_worker_leaves_when_there_is_nothing_to_do() {
    let mut coordinator = Coordinator::start().await;
    let mut worker = Worker::start(&coordinator, &["--exit-when-idle=0.3"]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("epoch_seconds: 0.2").await;
    session.train(&lease(4, 1), &x(), epochs(0, 3)).await;
    // Longer than the idle time, but not idle.
    assert!(matches!(session.reports(&lease(4, 1)).await.pop(), Some(News::Finished(_))));
    session.closed().await;
    assert_eq!(worker.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_worker_drains_at_the_end_of_its_lifetime() {
    let mut coordinator = Coordinator::start().await;
    let mut worker = Worker::start(&coordinator, &["--lifetime", "2s"]);
    let mut session = coordinator.join().await;
    session.study("epoch_seconds: 0.1").await;
    session.train(&lease(4, 1), &x(), epochs(0, 10_000)).await;
    handed_back(&coordinator, &mut session).await;
    assert_eq!(worker.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_worker_whose_coordinator_stays_away_gives_up() {
    let mut coordinator = Coordinator::start().await;
    let (mut worker, session) = busy_with(&mut coordinator, &["--death-timeout", "0.5"]).await;
    drop(coordinator.stop().await);
    drop(session);
    assert_eq!(worker.exit().await.code(), Some(1));
}

#[tokio::test]
async fn a_second_interrupt_quits_at_once() {
    let mut coordinator = Coordinator::start().await;
    let (mut worker, mut session) = busy(&mut coordinator).await;
    session.acks = false;
    worker.signal(Signal::SIGINT);
    // Within a second of the first, as from `timeout`, it is part of it.
    worker.signal(Signal::SIGINT);
    session.reports(&lease(4, 1)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    worker.signal(Signal::SIGINT);
    assert_eq!(worker.exit().await.code(), Some(130));
}

#[tokio::test]
async fn no_trainer_outlives_a_killed_worker() {
    let mut coordinator = Coordinator::start().await;
    let (mut worker, _session) = busy(&mut coordinator).await;
    let trainers = worker.trainers();
    assert_eq!(trainers.len(), 1);
    worker.signal(Signal::SIGKILL);
    worker.exit().await;
    for trainer in trainers {
        gone(trainer).await;
    }
}

#[tokio::test]
async fn a_worker_leaves_with_its_parent_if_it_is_told_to() {
    let mut coordinator = Coordinator::start().await;
    let mut command = program();
    command.args(["--join", &coordinator.address(), "--device", "cpu", "--slots", "1", "--exit-with-parent"]);
    let mut worker = command.stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut session = coordinator.join().await;
    session.credits(1).await;
    drop(worker.stdin.take());
    session.closed().await;
    assert_eq!(timeout(PATIENCE, worker.wait()).await.unwrap().unwrap().code(), Some(1));
}
