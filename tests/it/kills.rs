use anyhow::Result;
use nix::sys::signal::Signal;
use tests::{Cluster, Sample};

const STUDY: Sample = Sample { name: "kills", seed: 11, epoch_seconds: 0.03 };

/// Each time five more epochs count, two processes die: both workers, or one and the coordinator.
#[tokio::test]
async fn twenty_deaths_change_nothing() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let mut cluster = Cluster::with_lease(2, 3).await?;
    cluster.submit(&STUDY.yaml()).await?;
    let (mut first, mut second) = (0, 1);
    for round in 1..=10 {
        cluster.until("kills", 60, |study| study.epochs >= 5 * round).await?;
        cluster.kill_worker(first)?;
        if round % 2 == 0 {
            cluster.kill_coordinator()?;
        } else {
            cluster.kill_worker(second)?;
            second = cluster.start_worker(&[])?;
        }
        first = cluster.start_worker(&[])?;
        if round % 2 == 0 {
            cluster.start_coordinator().await?;
        }
    }
    assert_eq!(cluster.table("kills").await?, expected, "{}", cluster.logs());
    Ok(())
}

/// Two trials of 30 epochs of 50 ms.
const LONG: &str = "
name: kills
model: formula
scheduler: {kind: fixed, epochs: 30, trials: [{hparams: {width: 1}}, {hparams: {width: 2}}]}
train: {epoch_seconds: 0.05}
";

#[tokio::test]
async fn a_worker_stopped_past_its_lease_is_refused_what_it_says_late() -> Result<()> {
    let calm = Cluster::start(2).await?;
    calm.submit(LONG).await?;
    let expected = calm.table("kills").await?;

    let cluster = Cluster::with_lease(2, 2).await?;
    cluster.submit(LONG).await?;
    cluster.until_trained("kills", 0, 30).await?;
    cluster.until_trained("kills", 1, 30).await?;
    cluster.signal_worker(0, Signal::SIGSTOP)?;
    cluster.until_idle("w0", 20).await?;
    // Now it says what it had still to say of a trial that another one may have.
    cluster.signal_worker(0, Signal::SIGCONT)?;
    assert_eq!(cluster.table("kills").await?, expected, "{}", cluster.logs());
    let attempts: u32 = cluster.trials("kills").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(
        attempts,
        2 + 1 + 1,
        "one of two leases was lost, and the best is evaluated: {}",
        cluster.logs()
    );
    assert!(cluster.connected().await?.iter().any(|view| view.worker.as_str() == "w0"), "it goes on working");
    Ok(())
}

#[tokio::test]
async fn a_coordinator_stopped_for_longer_than_a_lease_changes_nothing() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let cluster = Cluster::with_lease(2, 2).await?;
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("kills", 60, |study| study.epochs >= 5).await?;
    cluster.signal_coordinator(Signal::SIGSTOP)?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    cluster.signal_coordinator(Signal::SIGCONT)?;
    assert_eq!(cluster.table("kills").await?, expected, "{}", cluster.logs());
    Ok(())
}
