//! A store that takes no commits for a while: nothing is lost, nobody is cut off, and work goes on by itself.

use std::time::Duration;

use super::*;

fn hello(held: &[&Grant]) -> Hello {
    Hello {
        worker: "w".parse().unwrap(),
        incarnation: 1,
        held: held.iter().map(|grant| grant.lease.clone()).collect(),
        device: DeviceFacts::default(),
        slots: 1,
        version: String::new(),
        data: BTreeSet::new(),
    }
}

async fn until_taken(bench: &Bench) -> Answer {
    for _ in 0..500 {
        match bench.submit().await {
            Ok(answer) => return answer,
            Err(Refused::Store(_) | Refused::Degraded(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the store is back, and nothing is taken");
}

#[tokio::test]
async fn leases_live_on_while_the_disk_is_full_and_reports_are_sent_again() {
    let lease = Duration::from_millis(400);
    let bench = Bench::with_lease(lease);
    bench.submit().await.unwrap();
    let (session, mut down, grant) = bench.leased().await;
    bench.fill(true);
    session.reports(1, finished(&grant)).await;
    // Three terms of a lease: a worker that trains gives signs of life and hears nothing.
    for _ in 0..12 {
        session.heartbeat().await;
        let silence = tokio::time::timeout(lease / 4, down.recv()).await;
        assert!(silence.is_err(), "neither an acknowledgement nor the stream's end: {silence:?}");
    }
    let Ok(Answer::Workers(workers)) = bench.driver.ask(Request::Workers).await else { panic!("it answers") };
    assert_eq!(workers[0].leases, std::slice::from_ref(&grant.lease));
    let refused = bench.submit().await.unwrap_err();
    assert!(matches!(&refused, Refused::Degraded(reason) if reason.contains("full")), "{refused}");

    // A worker whose connection breaks meanwhile is welcomed, and keeps its lease.
    session.disconnected().await;
    let (session, mut down) = bench.driver.open(hello(&[&grant])).await.unwrap();
    let Some(Ok(ToWorker::Welcome { still_yours, .. })) = down.recv().await else {
        panic!("Hello is answered")
    };
    assert_eq!(still_yours, std::slice::from_ref(&grant.lease));
    session.reports(1, finished(&grant)).await;

    let mut updates = bench.driver.updates();
    bench.fill(false);
    assert_eq!(down.recv().await, None, "space is back: what was not taken is to be sent again");
    let (session, mut down) = bench.driver.open(hello(&[&grant])).await.unwrap();
    assert!(matches!(down.recv().await, Some(Ok(ToWorker::Welcome { .. }))));
    session.reports(1, finished(&grant)).await;
    assert_eq!(down.recv().await, Some(Ok(ToWorker::Ack(1))));
    assert_eq!(updates.recv().await.unwrap().phase, StudyPhase::Evaluating);
    bench.stop().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_leases_waits_until_that_can_be_stored() {
    let bench = Bench::start();
    bench.submit().await.unwrap();
    let (session, mut down, grant) = bench.leased().await;
    bench.fill(true);
    session.reports(1, finished(&grant)).await;
    bench.submit().await.unwrap_err();
    session.disconnected().await;
    let (_, mut turned_away) = bench.driver.open(hello(&[])).await.unwrap();
    assert_eq!(turned_away.recv().await, None, "that its lease is lost cannot be stored");
    bench.fill(false);
    until_taken(&bench).await;
    let (session, mut down_again) = bench.driver.open(hello(&[])).await.unwrap();
    session.credits(1, 0).await;
    let attempt = loop {
        match down_again.recv().await {
            Some(Ok(ToWorker::Grants(grants))) => break grants[0].lease.attempt,
            Some(Ok(_)) => {}
            ended => panic!("{ended:?}"),
        }
    };
    assert_eq!(attempt, grant.lease.attempt.next());
    assert_eq!(down.recv().await, None);
    bench.stop().await;
}

#[tokio::test]
async fn a_coordinator_that_was_followed_by_another_ends() {
    let bench = Bench::start();
    bench.submit().await.unwrap();
    let _second = SqliteStore::open(bench._state.path()).unwrap();
    let (session, mut down) = bench.driver.open(hello(&[])).await.unwrap();
    session.credits(1, 0).await;
    while let Some(message) = down.recv().await {
        assert!(!matches!(message, Ok(ToWorker::Grants(_))), "what it cannot store it does not give");
    }
    let ended = bench.ended.await.unwrap();
    assert!(matches!(ended, Err(StoreError::Superseded { own: 1, current: 2 })), "{ended:?}");
}
