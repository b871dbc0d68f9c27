use anyhow::Result;
use nix::sys::signal::Signal;
use tests::{Cluster, Row};

/// A study of 22 trials and 69 epochs of 20 ms: long enough to be hit in the middle.
const STUDY: &str = "
name: faults
model: formula
space:
  width: {int: [1, 64]}
  lr: {float: [0.0001, 0.1], log: true}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
train: {epoch_seconds: 0.02}
seed: 7
";

async fn undisturbed() -> Result<Vec<Row>> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(STUDY).await?;
    cluster.table("faults").await
}

#[tokio::test]
async fn any_number_of_workers_gives_the_same_table() -> Result<()> {
    let expected = undisturbed().await?;
    assert_eq!(expected.len(), 17, "9 + 5 + 3 trials");
    let cluster = Cluster::start(3).await?;
    cluster.submit(STUDY).await?;
    assert_eq!(cluster.table("faults").await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_changes_nothing() -> Result<()> {
    let expected = undisturbed().await?;
    let mut cluster = Cluster::start(2).await?;
    cluster.submit(STUDY).await?;
    for (killed, epochs) in [(0, 5), (1, 20), (2, 35)] {
        cluster.until("faults", 60, |study| study.epochs >= epochs).await?;
        cluster.kill_worker(killed)?;
        cluster.start_worker(&[])?;
    }
    assert_eq!(cluster.table("faults").await?, expected);
    let attempts: u32 = cluster.trials("faults").await?.iter().map(|trial| trial.attempts).sum();
    assert!(attempts > 22, "a kill in the middle costs an attempt: {attempts}");
    Ok(())
}

#[tokio::test]
async fn a_killed_coordinator_goes_on_where_it_was() -> Result<()> {
    let expected = undisturbed().await?;
    let mut cluster = Cluster::start(2).await?;
    cluster.submit(STUDY).await?;
    for epochs in [5, 20, 35] {
        cluster.until("faults", 60, |study| study.epochs >= epochs).await?;
        cluster.kill_coordinator()?;
        cluster.start_coordinator().await?;
    }
    assert_eq!(cluster.table("faults").await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_drained_worker_hands_its_trial_back_and_exits_with_0() -> Result<()> {
    let expected = undisturbed().await?;
    let mut cluster = Cluster::start(1).await?;
    cluster.submit(STUDY).await?;
    for (drained, signal) in [(0, Signal::SIGTERM), (1, Signal::SIGINT), (2, Signal::SIGUSR1)] {
        cluster
            .until("faults", 60, |study| study.epochs >= 5 * (drained as u64 + 1) && study.leases > 0)
            .await?;
        assert_eq!(cluster.drain_worker(drained, signal).await?, Some(0), "{}", cluster.logs());
        cluster.start_worker(&[])?;
    }
    assert_eq!(cluster.table("faults").await?, expected);
    Ok(())
}
