use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use clap::Parser as _;
use common::hparams::{Hparams, Scalar};
use nix::sys::signal::{Signal, kill};
use proto::v1::{report::Kind as News, worker_message::Kind as Up};
use tokio_util::sync::CancellationToken;
use worker::settings::{Cli, Settings};

use crate::{
    coordinator::{Coordinator, Session, epochs, lease},
    leases::x,
    program::{Worker, gone},
};

fn fail(kind: &str) -> Hparams {
    Hparams::from([("fail", Scalar::Text(kind.to_owned())), ("fail_epoch", Scalar::Int(2))])
}

/// Why the attempt failed, and proof that the worker goes on.
async fn failure(session: &mut Session, hparams: &Hparams) -> String {
    session.train(&lease(4, 1), hparams, epochs(0, 3)).await;
    let reason = reason(session).await;
    session.train(&lease(5, 1), &x(), epochs(0, 1)).await;
    let news = session.reports(&lease(5, 1)).await;
    assert!(matches!(news.last(), Some(News::Finished(_))), "{news:?}");
    reason
}

async fn reason(session: &mut Session) -> String {
    match session.reports(&lease(4, 1)).await.pop() {
        Some(News::Failed(failed)) => failed.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_is_told_and_costs_one_attempt() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    assert_eq!(failure(&mut session, &fail("error")).await, "told to fail in epoch 2");
}

#[tokio::test]
async fn a_crash_is_told_and_costs_one_attempt() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    assert_eq!(failure(&mut session, &fail("crash")).await, "trainer was killed by signal 6 (SIGABRT)");
}

#[tokio::test]
async fn a_hang_is_ended_and_costs_one_attempt() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &["--hang-timeout", "0.8"]);
    let mut session = coordinator.join().await;
    session.study("").await;
    let reason = "trainer made no progress for 0.8 s: `--hang-timeout` on the worker allows more";
    assert_eq!(failure(&mut session, &fail("hang")).await, reason);
}

#[tokio::test]
async fn a_killed_trainer_is_told_and_costs_one_attempt() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("epoch_seconds: 0.5").await;
    session.train(&lease(4, 1), &x(), epochs(0, 100)).await;
    while !matches!(session.next().await, Up::Reports(_)) {}
    let [trainer] = worker.trainers()[..] else { panic!("one slot, one trainer") };
    kill(trainer, Signal::SIGKILL).unwrap();
    assert_eq!(reason(&mut session).await, "trainer was killed by signal 9 (SIGKILL)");
    session.credits(1).await;
    assert_ne!(worker.trainers(), [trainer]);
}

#[tokio::test]
async fn an_idle_trainer_that_dies_is_replaced() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("").await;
    let [trainer] = worker.trainers()[..] else { panic!("one slot, one trainer") };
    kill(trainer, Signal::SIGKILL).unwrap();
    gone(trainer).await;
    session.train(&lease(5, 1), &x(), epochs(0, 1)).await;
    assert!(matches!(session.reports(&lease(5, 1)).await.pop(), Some(News::Finished(_))));
}

#[tokio::test]
async fn a_lease_that_an_idle_trainer_takes_to_its_grave_is_worked_on_by_another() {
    let mut coordinator = Coordinator::start().await;
    let worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.credits(1).await;
    session.study("").await;
    let [trainer] = worker.trainers()[..] else { panic!("one slot, one trainer") };
    // Stopped, it takes the lease into its pipe without having begun on it.
    kill(trainer, Signal::SIGSTOP).unwrap();
    session.train(&lease(5, 1), &x(), epochs(0, 1)).await;
    session.credits(0).await;
    kill(trainer, Signal::SIGKILL).unwrap();
    assert!(matches!(session.reports(&lease(5, 1)).await.pop(), Some(News::Finished(_))));
    assert_ne!(worker.trainers(), [trainer]);
}

#[tokio::test]
async fn an_objective_that_is_not_finite_is_a_result() {
    let mut coordinator = Coordinator::start().await;
    let _worker = Worker::start(&coordinator, &[]);
    let mut session = coordinator.join().await;
    session.study("").await;
    session.train(&lease(4, 1), &fail("nan"), epochs(0, 3)).await;
    let Some(News::NotFinite(result)) = session.reports(&lease(4, 1)).await.pop() else { panic!() };
    let last = result.last.unwrap();
    assert!(last.epoch == 2 && last.metrics.unwrap().val_loss.is_nan());
}

/// A worker within this process, whose trainers are started by a script.
fn scripted(coordinator: &Coordinator, folder: &Path, script: &str) -> Settings {
    let program = folder.join("trainer.sh");
    fs::write(&program, format!("#!/bin/sh\ncd {}\n{script}\n", folder.display())).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let (join, scratch) = (coordinator.address(), folder.display().to_string());
    let args = ["rung-worker", "--join", &join, "--device", "cpu", "--slots", "1", "--scratch", &scratch];
    let settings = Settings::try_from(Cli::parse_from(args).join).unwrap();
    Settings { program, ..settings }
}

#[tokio::test]
async fn a_trainer_that_is_lost_at_its_start_is_started_again() {
    let mut coordinator = Coordinator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let real = env!("CARGO_BIN_EXE_rung-worker");
    let script = format!("if mkdir once; then kill -9 $$; fi\nexec {real} \"$@\"");
    let settings = scripted(&coordinator, folder.path(), &script);
    let shutdown = CancellationToken::new();
    let scene = async {
        let mut session = coordinator.join().await;
        session.credits(1).await;
        shutdown.cancel();
        session.closed().await;
    };
    let (ended, ()) = tokio::join!(worker::run(settings, shutdown.clone()), scene);
    ended.unwrap();
}

#[tokio::test]
async fn a_worker_whose_trainers_never_start_says_why() {
    let coordinator = Coordinator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = scripted(&coordinator, folder.path(), "echo no libtorch here >&2; exit 3");
    let error = worker::run(settings, CancellationToken::new()).await.unwrap_err();
    let why = "trainers cannot be started: trainer exited with status 3: no libtorch here";
    assert_eq!(error.to_string(), why);
}
