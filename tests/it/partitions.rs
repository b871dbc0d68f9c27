use anyhow::{Context as _, Result};
use tests::{
    Cluster, Sample,
    faults::{Network, Traffic},
};

const STUDY: Sample = Sample { name: "parted", seed: 7, epoch_seconds: 0.06 };

/// Seconds of a lease.
const LEASE: u32 = 2;

/// A coordinator and three workers, each on a machine of its own; none where that cannot be.
async fn machines() -> Result<Option<(Network, Cluster)>> {
    let Some(network) = Network::enter(3)? else { return Ok(None) };
    let mut cluster = Cluster::stopped(LEASE);
    cluster.start_coordinator().await?;
    for worker in 0..3 {
        cluster.start_worker_in(&network.worker(worker), &[])?;
    }
    Ok(Some((network, cluster)))
}

#[tokio::test]
async fn a_parted_worker_changes_nothing_whichever_way_its_packets_are_lost() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let Some((network, cluster)) = machines().await? else { return Ok(()) };
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("parted", 60, |study| study.epochs >= 3).await?;
    // All three at the same time, each in another way: one lease's silence is enough for all of them.
    for (worker, traffic) in [Traffic::Cut, Traffic::UpLost, Traffic::DownLost].into_iter().enumerate() {
        network.set(worker, traffic)?;
    }
    for worker in ["w0", "w1"] {
        cluster.until_idle(worker, 10).await?;
    }
    for worker in 0..3 {
        network.set(worker, Traffic::Flows)?;
    }
    let parted = cluster.study("parted").await?.epochs;
    // A healed partition makes progress within two leases; the longest wait between two tries to connect comes first.
    cluster.until("parted", u64::from(2 * LEASE) + 6, |study| study.epochs > parted).await?;
    assert_eq!(cluster.table("parted").await?, expected, "{}", cluster.logs());
    let attempts: u32 = cluster.trials("parted").await?.iter().map(|trial| trial.attempts).sum();
    assert!(attempts > Sample::LEASES, "leases were lost: {attempts} attempts");
    Ok(())
}

#[tokio::test]
async fn flapping_lossy_and_reset_connections_change_nothing() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let Some((network, cluster)) = machines().await? else { return Ok(()) };
    cluster.submit(&STUDY.yaml()).await?;
    network.set(2, Traffic::Lossy(20))?;
    for round in 1..=6 {
        cluster.until("parted", 60, |study| study.epochs >= 5 * round).await?;
        network.set(0, if round % 2 == 0 { Traffic::Flows } else { Traffic::Cut })?;
        network.reset(1)?;
    }
    network.set(2, Traffic::Flows)?;
    assert_eq!(cluster.table("parted").await?, expected, "{}", cluster.logs());
    let logs = cluster.logs();
    let lost = logs.lines().filter(|line| line.contains("coordinator lost")).count();
    assert!(lost > 0, "a reset is noticed: {logs}");
    Ok(())
}

/// Slower than a modem. The lease must be long enough for a heartbeat to get through behind what else is sent.
#[tokio::test]
async fn slow_links_cost_time_and_nothing_else() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let Some((network, cluster)) = machines().await? else { return Ok(()) };
    while cluster.connected().await?.len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    (0..3).try_for_each(|worker| network.set(worker, Traffic::Slow(128)))?;
    cluster.submit(&STUDY.yaml()).await?;
    assert_eq!(cluster.table("parted").await?, expected, "{}", cluster.logs());
    let attempts: u32 = cluster.trials("parted").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, Sample::LEASES, "no lease was lost: {}", cluster.logs());
    Ok(())
}

#[tokio::test]
async fn a_coordinator_out_of_everybodys_reach_goes_on_when_they_are_back() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let Some((network, cluster)) = machines().await? else { return Ok(()) };
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("parted", 60, |study| study.epochs >= 9).await?;
    for traffic in [Traffic::Cut, Traffic::Flows] {
        (0..3).try_for_each(|worker| network.set(worker, traffic))?;
        if traffic == Traffic::Cut {
            cluster.until("parted", 20, |study| study.leases == 0).await.context("leases end")?;
        }
    }
    assert_eq!(cluster.table("parted").await?, expected, "{}", cluster.logs());
    Ok(())
}
