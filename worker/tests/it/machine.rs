use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use common::checkpoint::Digest;
use proto::v1::report::Kind as News;

use crate::{
    coordinator::{Coordinator, Session, epochs, lease},
    leases::x,
    program::Worker,
};

/// The worker's own folder.
fn folder(worker: &Worker) -> PathBuf {
    let mut entries = fs::read_dir(worker.scratch.path()).unwrap();
    entries.next().unwrap().unwrap().path()
}

/// Grants a lease that is handed back as it came; how long it takes until the worker wants another.
async fn handed_back(session: &mut Session, attempt: u64) -> Duration {
    let granted = Instant::now();
    session.train(&lease(4, attempt), &x(), epochs(0, 1)).await;
    let news = session.reports(&lease(4, attempt)).await;
    let Some(News::Released(released)) = news.last() else { panic!("{news:?}") };
    assert_eq!(released.checkpoint, None);
    session.credits(1).await;
    granted.elapsed()
}

/// Grants a lease that is worked on.
async fn finished(session: &mut Session, attempt: u64) {
    session.train(&lease(4, attempt), &x(), epochs(0, 1)).await;
    let news = session.reports(&lease(4, attempt)).await;
    assert!(matches!(news.last(), Some(News::Finished(_))), "{news:?}");
}

#[tokio::test]
async fn leases_that_a_disk_cannot_serve_go_back_and_the_worker_rests() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("").await;
    let folder = folder(&worker);
    let away = folder.with_extension("away");
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, b"no folder").unwrap();
    // Half of a second at least, and twice as long each time.
    for (attempt, least) in [(1, 500), (2, 1_000), (3, 2_000)] {
        let rest = handed_back(&mut session, attempt).await;
        assert!(rest >= Duration::from_millis(least), "{attempt}: {rest:?}");
    }
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    finished(&mut session, 4).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_trainer_that_cannot_write_costs_no_attempt() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("").await;
    let name = format!("{}-4-1", crate::coordinator::STUDY);
    // Nobody can make a file there, root no more than others.
    std::os::unix::fs::symlink("/proc", folder(&worker).join(name)).unwrap();
    let trainers = worker.trainers();
    handed_back(&mut session, 1).await;
    assert_ne!(worker.trainers(), trainers, "it has ended");
    finished(&mut session, 2).await;
}

#[tokio::test]
async fn data_that_the_coordinator_has_lost_costs_no_attempt() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    let object = b"a packed data set, of which the formula takes no notice";
    let shape = "kind: table, channels: 1, height: 1, width: 2, classes: [a, b], train: 9, test: 3";
    let facts = format!("{{digest: \"{}\", {shape}}}", Digest::of(object));
    session.study_with(&format!("data: {{name: mine, facts: {facts}}}")).await;
    for (attempt, least) in [(1, 500), (2, 1_000)] {
        let rest = handed_back(&mut session, attempt).await;
        assert!(rest >= Duration::from_millis(least), "{attempt}: {rest:?}");
    }
    coordinator.keep(object);
    finished(&mut session, 3).await;
}
