use std::time::Duration;

use anyhow::Result;
use common::view::StudyPhase;
use tests::{
    Cluster, Sample,
    faults::{WallClock, Wrapper, uptime},
};

const STUDY: Sample = Sample { name: "clock", seed: 5, epoch_seconds: 0.03 };

/// Seconds that a clock is wrong by: a minute, a day, more than a year; either way.
const JUMPS: [i64; 6] = [60, -60, 86_400, -86_400, 40_000_000, -40_000_000];

#[tokio::test]
async fn a_wall_clock_that_jumps_ends_no_lease_and_changes_nothing() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let mut cluster = Cluster::stopped(3);
    let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(()) };
    cluster.serve_in(clock.wrapper());
    cluster.start_coordinator().await?;
    cluster.start_worker_in(&clock.wrapper(), &[])?;
    cluster.start_worker(&[])?;
    cluster.submit(&STUDY.yaml()).await?;
    for (jump, epochs) in JUMPS.into_iter().zip(1..) {
        cluster.until("clock", 60, |study| study.epochs >= 5 * epochs).await?;
        clock.jump(jump)?;
    }
    assert_eq!(cluster.table("clock").await?, expected, "{}", cluster.logs());
    let attempts: u32 = cluster.trials("clock").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, Sample::LEASES, "no lease was lost");
    Ok(())
}

/// By the worker's own date its certificate, which lasts a day, has just begun.
#[tokio::test]
async fn a_certificate_that_has_ended_by_the_coordinators_date_is_renewed() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let mut cluster = Cluster::stopped(3);
    let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(()) };
    cluster.serve_in(clock.wrapper());
    cluster.start_coordinator().await?;
    cluster.start_worker_in(&Wrapper::default().abroad(), &[])?;
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("clock", 60, |study| study.epochs >= 5).await?;
    clock.jump(3 * 86_400)?;
    // Who is connected stays so; who connects again is asked for a certificate that holds.
    cluster.kill_coordinator()?;
    cluster.start_coordinator().await?;
    assert_eq!(cluster.table("clock").await?, expected, "{}", cluster.logs());
    let log = std::fs::read_to_string(cluster.folder().join("w0.log"))?;
    assert!(log.contains("certificate renewed"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_coordinator_that_comes_back_at_another_time_goes_on() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let mut cluster = Cluster::stopped(3);
    let Some(clock) = WallClock::new(cluster.folder())? else { return Ok(()) };
    cluster.start_coordinator().await?;
    for _ in 0..2 {
        cluster.start_worker(&[])?;
    }
    cluster.submit(&STUDY.yaml()).await?;
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
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("clock", 30, |study| study.leases == 1).await?;
    cluster.signal_worker(0, nix::sys::signal::Signal::SIGSTOP)?;
    clock.jump(-86_400)?;
    cluster.until_idle("w0", 6).await?;
    let study = cluster.study("clock").await?;
    assert_ne!(study.phase, StudyPhase::Finished);
    assert!(Duration::from_millis(study.active_ms) < Duration::from_secs(60), "{study:?}");
    Ok(())
}
