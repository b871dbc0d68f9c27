use anyhow::Result;
use common::view::WorkerView;
use nix::sys::signal::Signal;
use tests::Cluster;

/// 20 trials of half a second.
const STUDY: &str = "
name: ids
model: formula
space: {width: {int: [1, 999]}}
scheduler: {kind: hyperband, max_epochs: 3, eta: 3}
train: {epoch_seconds: 0.3}
";

/// Leases of 3 seconds: a heartbeat comes twice a second, and silence shows after one.
async fn cluster() -> Result<Cluster> {
    let mut cluster = Cluster::with_lease(0, 3).await?;
    cluster.start_worker(&["--id", "twin"])?;
    cluster.submit(STUDY).await?;
    cluster.until("ids", 30, |study| study.epochs >= 1).await?;
    Ok(cluster)
}

async fn twin(cluster: &Cluster) -> Result<WorkerView> {
    let mut workers = cluster.connected().await?;
    assert_eq!(workers.len(), 1, "{workers:?}");
    Ok(workers.remove(0))
}

#[tokio::test]
async fn a_second_living_worker_of_one_id_is_refused() -> Result<()> {
    let mut cluster = cluster().await?;
    let second = cluster.start_worker(&["--id", "twin"])?;
    assert_eq!(cluster.worker_ends(second).await?, Some(2));
    let said = cluster.logs();
    let host = twin(&cluster).await?.device.host;
    for words in [
        &format!("error: worker id `twin` is in use by a worker on host {host} since 20"),
        "give it another with --id",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    cluster.table("ids").await?;
    let attempts: u32 = cluster.trials("ids").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, 3 + 1 + 2 + 1, "nobody lost a lease");
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_is_followed_by_its_namesake() -> Result<()> {
    let mut cluster = cluster().await?;
    cluster.kill_worker(0)?;
    cluster.start_worker(&["--id", "twin"])?;
    cluster.table("ids").await?;
    assert_eq!(twin(&cluster).await?.worker.as_str(), "twin");
    Ok(())
}

/// A stopped process keeps its stream open and says nothing, as a machine without power does.
#[tokio::test]
async fn a_silent_worker_is_replaced_and_refused_when_it_wakes() -> Result<()> {
    let mut cluster = cluster().await?;
    cluster.signal_worker(0, Signal::SIGSTOP)?;
    cluster.start_worker(&["--id", "twin"])?;
    cluster.table("ids").await?;
    cluster.signal_worker(0, Signal::SIGCONT)?;
    assert_eq!(cluster.worker_ends(0).await?, Some(2));
    assert_eq!(twin(&cluster).await?.worker.as_str(), "twin");
    Ok(())
}
