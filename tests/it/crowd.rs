//! A thousand workers, as far as a coordinator can tell.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::v1::{
    self as pb, coordinator_message::Kind as Down, worker_message::Kind as Up,
    worker_service_client::WorkerServiceClient,
};
use rlimit::{Resource, increase_nofile_limit};
use tests::Cluster;
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const WORKERS: usize = 1000;

/// Seconds of a lease, within which all must be back.
const LEASE: u32 = 15;

/// Files that the coordinator may have open when it starts: fewer than workers come.
const FILES: u64 = 256;

/// More trials than workers.
const STUDY: &str = "
name: crowd
model: formula
space: {width: {int: [1, 64]}, lr: {float: [0.0001, 0.1], log: true}}
scheduler: {kind: hyperband, max_epochs: 27, eta: 3, iterations: 40}
";

/// A worker of one slot, which does no work.
struct Member {
    number: usize,
    up: mpsc::Sender<pb::WorkerMessage>,
    down: Streaming<pb::CoordinatorMessage>,
    held: Option<pb::Lease>,
}

impl Member {
    /// Comes, on a connection of its own, and again until it is let in. Says which of its leases are still its own.
    async fn come(
        cluster: &Cluster,
        number: usize,
        held: Option<pb::Lease>,
    ) -> Result<(Self, Vec<pb::Lease>)> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match Self::try_to_come(cluster, number, &held).await {
                Ok((up, down, still)) => return Ok((Self { number, up, down, held }, still)),
                Err(error) if Instant::now() > end => return Err(error.context(format!("worker {number}"))),
                Err(_) => sleep(Duration::from_millis(50 + number as u64 % 200)).await,
            }
        }
    }

    async fn try_to_come(
        cluster: &Cluster,
        number: usize,
        held: &Option<pb::Lease>,
    ) -> Result<(mpsc::Sender<pb::WorkerMessage>, Streaming<pb::CoordinatorMessage>, Vec<pb::Lease>)> {
        let (up, messages) = mpsc::channel(4);
        let hello = pb::Hello {
            protocol: proto::PROTOCOL,
            worker: format!("w{number}"),
            incarnation: 1,
            held: held.iter().cloned().collect(),
            slots: 1,
            device: Some(pb::DeviceFacts { device: "formula".to_owned(), ..Default::default() }),
            ..Default::default()
        };
        up.send(pb::WorkerMessage { kind: Some(Up::Hello(hello)) }).await?;
        let mut client = WorkerServiceClient::new(cluster.channel().await?);
        let mut down = client.session(ReceiverStream::new(messages)).await?.into_inner();
        let first = down.message().await?.context("Hello is answered")?;
        match first.kind {
            Some(Down::Welcome(welcome)) => Ok((up, down, welcome.still_yours)),
            other => bail!("no Welcome, but {other:?}"),
        }
    }

    /// Asks for work until there is some.
    async fn work(mut self) -> Result<Self> {
        let credits = pb::Credits { free: 1, granted: 0 };
        self.up.send(pb::WorkerMessage { kind: Some(Up::Credits(credits)) }).await?;
        while let Some(message) = self.down.message().await? {
            if let Some(Down::Grants(grants)) = message.kind {
                self.held = grants.grants.into_iter().next().and_then(|grant| grant.lease);
                return Ok(self);
            }
        }
        bail!("worker {} is sent away", self.number)
    }
}

/// All of them come at once, as after a power cut.
async fn all_come(cluster: &Cluster, held: Vec<Option<pb::Lease>>) -> Result<Vec<(Member, Vec<pb::Lease>)>> {
    let coming = held.into_iter().enumerate().map(|(number, held)| Member::come(cluster, number, held));
    stream::iter(coming).buffered(WORKERS).try_collect().await
}

#[tokio::test]
async fn a_thousand_workers_that_come_back_at_once_lose_no_lease() -> Result<()> {
    Resource::NOFILE.set(FILES, Resource::NOFILE.get_hard()?)?;
    let mut cluster = Cluster::with_lease(0, LEASE).await?;
    let files = increase_nofile_limit(u64::MAX)?;
    assert!(files > 2 * WORKERS as u64, "this test needs more open files than {files}: raise `ulimit -Hn`");
    cluster.submit(STUDY).await?;
    let came = all_come(&cluster, vec![None; WORKERS]).await?;
    let working = came.into_iter().map(|(member, _)| member.work());
    let members: Vec<Member> = stream::iter(working).buffered(WORKERS).try_collect().await?;
    let held: Vec<_> = members.iter().map(|member| member.held.clone()).collect();
    drop(members);

    cluster.kill_coordinator()?;
    cluster.start_coordinator().await?;
    let start = Instant::now();
    let back = all_come(&cluster, held.clone()).await?;
    println!("{WORKERS} workers were back after {:.1?}", start.elapsed());
    for ((member, still), held) in back.iter().zip(&held) {
        assert_eq!(still.as_slice(), held.as_slice(), "worker {} keeps its lease", member.number);
    }
    let trials = cluster.trials("crowd").await?;
    let begun: Vec<u32> =
        trials.iter().map(|trial| trial.attempts).filter(|attempts| *attempts > 0).collect();
    assert_eq!(begun, [1; WORKERS], "nobody's lease was given again");
    Ok(())
}
