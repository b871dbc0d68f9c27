use std::time::Duration;

use proto::v1::{
    self as pb, coordinator_message::Kind as Down, report::Kind as News, worker_message::Kind as Up,
};
use tokio::time::sleep;

use crate::{
    coordinator::{Coordinator, epochs, lease},
    leases::x,
    program::Worker,
};

#[tokio::test]
async fn a_worker_trains_on_while_the_coordinator_restarts() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("epoch_seconds: 0.1").await;
    session.train(&lease(4, 1), &x(), epochs(0, 8)).await;
    while !matches!(session.next().await, Up::Reports(_)) {}
    let stopped = coordinator.stop().await;
    drop(session);
    sleep(Duration::from_millis(300)).await;

    let mut coordinator = stopped.start().await;
    let mut session = coordinator.join().await;
    assert_eq!(session.hello.held, [lease(4, 1)]);
    let news = session.reports(&lease(4, 1)).await;
    let Some(News::Finished(finished)) = news.last() else { panic!("{news:?}") };
    let weights = &finished.checkpoint.as_ref().unwrap().weights;
    assert!(coordinator.object(weights).is_some());
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.acks = false;
    session.study("").await;
    session.train(&lease(4, 1), &x(), epochs(0, 2)).await;
    let before = session.reports(&lease(4, 1)).await;
    drop(session);

    let mut session = coordinator.join().await;
    assert_eq!(session.hello.held, [lease(4, 1)]);
    assert_eq!(session.reports(&lease(4, 1)).await, before);
    session.say(Down::Revoke(pb::Revoke { leases: vec![] })).await;
    drop(session);
    assert!(coordinator.join().await.hello.held.is_empty(), "acknowledged leases are over");
}

#[tokio::test]
async fn a_lease_that_is_not_still_ours_frees_its_slot() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("epoch_seconds: 60").await;
    session.train(&lease(4, 1), &x(), epochs(0, 3)).await;
    session.credits(0).await;
    let trainers = worker.trainers();
    drop(session);

    let mut session = coordinator.session().await;
    session.welcome(30_000, vec![]).await;
    session.credits(1).await;
    assert_eq!(worker.trainers(), trainers, "a trainer that obeys is not killed");
}

#[tokio::test]
async fn a_revoked_lease_frees_its_slot_without_a_word() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("epoch_seconds: 60").await;
    session.train(&lease(4, 1), &x(), epochs(0, 3)).await;
    session.credits(0).await;
    session.say(Down::Revoke(pb::Revoke { leases: vec![lease(4, 1)] })).await;
    loop {
        match session.next().await {
            Up::Credits(credits) if credits.free == 1 => break,
            Up::Reports(batch) => panic!("{batch:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_long_silence_hands_the_lease_back_with_what_was_trained() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.session().await;
    session.welcome(1_500, vec![]).await;
    session.study("epoch_seconds: 0.2").await;
    session.train(&lease(4, 1), &x(), epochs(0, 1000)).await;
    while !matches!(session.next().await, Up::Reports(_)) {}
    let stopped = coordinator.stop().await;
    drop(session);
    sleep(Duration::from_millis(1_500)).await;

    let mut coordinator = stopped.start().await;
    let mut session = coordinator.join().await;
    assert_eq!(session.hello.held, [lease(4, 1)]);
    let news = session.reports(&lease(4, 1)).await;
    let Some(News::Released(released)) = news.last() else { panic!("{news:?}") };
    let checkpoint = released.checkpoint.as_ref().unwrap();
    assert!(checkpoint.epoch > 0 && coordinator.object(&checkpoint.state).is_some());
    session.credits(1).await;
}
