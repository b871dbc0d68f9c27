use std::time::Duration;

use anyhow::Result;
use common::view::StudyPhase;
use tests::{
    Cluster, Row,
    faults::{WallClock, Wrapper, uptime},
};

/// 17 trials and 69 epochs of 30 ms.
const STUDY: &str = "
name: clock
model: formula
space:
  width: {int: [1, 64]}
  lr: {float: [0.0001, 0.1], log: true}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
train: {epoch_seconds: 0.03}
seed: 5
";

/// Seconds that a clock is wrong by: a minute, a day, more than a year; either way.
const JUMPS: [i64; 6] = [60, -60, 86_400, -86_400, 40_000_000, -40_000_000];

async fn undisturbed() -> Result<Vec<Row>> {
    let cluster = Cluster::start(2).await?;
    cluster.submit(&STUDY.replace("0.03", "0.001")).await?;
    cluster.table("clock").await
}

#[tokio::test]
async fn a_wall_clock_that_jumps_ends_no_lease_and_changes_nothing() -> Result<()> {
    let expected = undisturbed().await?;
    let mut cluster = Cluster::stopped(3);
    let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(()) };
    cluster.serve_in(clock.wrapper());
    cluster.start_coordinator().await?;
    cluster.start_worker_in(&clock.wrapper(), &[])?;
    cluster.start_worker(&[])?;
    cluster.submit(STUDY).await?;
    for (jump, epochs) in JUMPS.into_iter().zip(1..) {
        cluster.until("clock", 60, |study| study.epochs >= 5 * epochs).await?;
        clock.jump(jump)?;
    }
    assert_eq!(cluster.table("clock").await?, expected, "{}", cluster.logs());
    let attempts: u32 = cluster.trials("clock").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, 22 + 1, "no lease was lost: 22 to train, one to evaluate");
    Ok(())
}

#[tokio::test]
async fn a_coordinator_that_comes_back_at_another_time_goes_on() -> Result<()> {
    let expected = undisturbed().await?;
    let mut cluster = Cluster::stopped(3);
    let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(()) };
    cluster.start_coordinator().await?;
    for _ in 0..2 {
        cluster.start_worker(&[])?;
    }
    cluster.submit(STUDY).await?;
    for (jump, epochs) in JUMPS.into_iter().zip(1..) {
        cluster.until("clock", 60, |study| study.epochs >= 5 * epochs).await?;
        cluster.kill_coordinator()?;
        clock.jump(jump)?;
        // As after a reboot, the monotonic clock has another origin.
        cluster.serve_in(uptime(7 * jump.abs()).around(&clock.wrapper()));
        cluster.start_coordinator().await?;
    }
    assert_eq!(cluster.table("clock").await?, expected, "{}", cluster.logs());
    Ok(())
}

#[tokio::test]
async fn a_lease_of_a_lost_worker_ends_on_time_though_the_clock_was_put_back() -> Result<()> {
    let mut cluster = Cluster::stopped(2);
    let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(()) };
    cluster.serve_in(clock.wrapper());
    cluster.start_coordinator().await?;
    cluster.start_worker_in(&Wrapper::default(), &[])?;
    cluster.submit(STUDY).await?;
    cluster.until("clock", 30, |study| study.leases == 1).await?;
    cluster.signal_worker(0, nix::sys::signal::Signal::SIGSTOP)?;
    clock.jump(-86_400)?;
    cluster.until_idle("w0", 6).await?;
    let study = cluster.study("clock").await?;
    assert_ne!(study.phase, StudyPhase::Finished);
    assert!(Duration::from_millis(study.active_ms) < Duration::from_secs(60), "{study:?}");
    Ok(())
}
