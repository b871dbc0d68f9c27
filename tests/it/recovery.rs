use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use common::{
    checkpoint::{Checkpoint, Digest},
    metrics::{CurvePoint, Metrics},
    study::StudySpec,
    time::Timestamp,
    view::DeviceFacts,
};
use coordinator::{
    driver::{
        Effect, Grant, Happened, Hello, Input, Machine, OnConflict, Report, Request, RequestId, SessionId,
        ToWorker,
    },
    store::{SqliteStore, Store as _},
};
use proto::v1::{self as pb, worker_service_client::WorkerServiceClient};
use scheduler::Work;
use tests::Cluster;

/// How soon a coordinator with a large store gives its first lease.
const LIMIT: Duration = Duration::from_secs(2);

/// Trials that have begun in the large store; the study plans twice as many.
const TRIALS: usize = 10_000;

const STUDY: &str = "
name: large
model: formula
space: {width: {int: [1, 64]}, lr: {float: [0.0001, 0.1], log: true}}
scheduler: {kind: hyperband, max_epochs: 27, eta: 3, iterations: 400}
seed: 7
";

/// Fills a state folder as a coordinator with one large worker would: the same machine, the same store.
fn fill(state: &Path) -> Result<usize> {
    let mut store = SqliteStore::open(state)?;
    let mut machine = Machine::recover(Vec::new(), Duration::from_secs(30), Timestamp(0))?;
    let session = SessionId(1);
    let request = Request::Submit {
        id: "0a1b2c3d".parse()?,
        spec: Box::new(StudySpec::from_yaml(STUDY)?),
        on_conflict: OnConflict::Refuse,
    };
    let hello = Hello {
        worker: "w".parse()?,
        incarnation: 1,
        held: BTreeSet::new(),
        device: DeviceFacts::default(),
        slots: 500,
        version: String::new(),
        data: BTreeSet::new(),
    };
    let mut inputs = vec![Input::Asked { id: RequestId(0), request }, Input::Connected { session, hello }];
    let (mut events, mut begun, mut granted) = (0, 0, 0);
    for round in 1.. {
        inputs.push(Input::Credits { session, free: 500, granted });
        let group = machine.handle(Timestamp(round * 100), std::mem::take(&mut inputs));
        store.commit(&group.commit)?;
        events += group.commit.events.len();
        begun += group
            .commit
            .events
            .iter()
            .filter(|(.., event)| matches!(event, scheduler::Event::Drawn { .. }))
            .count();
        if begun >= TRIALS {
            return Ok(events);
        }
        let grants = group.effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(_, ToWorker::Grants(grants)) => Some(grants),
            _ => None,
        });
        let reports: Vec<_> = grants.flatten().map(finished).collect();
        granted += reports.len() as u64;
        inputs.push(Input::Reports { session, sequence: round, reports });
    }
    Ok(events)
}

fn finished(grant: Grant) -> Report {
    let Work::Train { to_epoch: epoch, .. } = grant.work else { unreachable!("the study goes on for long") };
    let digest = Digest::of(format!("{} {epoch}", grant.seed).as_bytes());
    let value = (grant.seed % 1_000_003) as f64;
    let metrics = Metrics {
        train_loss: 0.5,
        train_accuracy: 0.5,
        val_loss: value,
        val_accuracy: value,
        val_macro_f1: 0.5,
    };
    let what = Happened::Finished {
        last: CurvePoint { epoch, metrics, learning_rate: 1e-3, seconds: 0.1 },
        best: metrics,
        checkpoint: Checkpoint { epoch, weights: digest, state: digest },
        early_stopped: false,
        restored: None,
    };
    Report { lease: grant.lease, what }
}

/// Joins as a worker that trains a formula and waits for its first lease.
async fn first_lease(cluster: &Cluster) -> Result<pb::Grant> {
    let (up, messages) = tokio::sync::mpsc::channel(4);
    let hello = pb::Hello {
        protocol: proto::PROTOCOL,
        worker: "fresh".to_owned(),
        incarnation: 2,
        slots: 1,
        device: Some(pb::DeviceFacts { device: "formula".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    up.send(pb::WorkerMessage { kind: Some(pb::worker_message::Kind::Hello(hello)) }).await?;
    let credits = pb::Credits { free: 1, granted: 0 };
    up.send(pb::WorkerMessage { kind: Some(pb::worker_message::Kind::Credits(credits)) }).await?;
    let mut client = WorkerServiceClient::new(cluster.channel().await?);
    let stream = tokio_stream::wrappers::ReceiverStream::new(messages);
    let mut down = client.session(stream).await?.into_inner();
    while let Some(message) = down.message().await? {
        if let Some(pb::coordinator_message::Kind::Grants(grants)) = message.kind {
            return grants.grants.into_iter().next().context("a grant");
        }
    }
    anyhow::bail!("the session ended")
}

#[tokio::test]
async fn a_store_of_ten_thousand_trials_is_at_work_again_within_two_seconds() -> Result<()> {
    let mut cluster = Cluster::start(0).await?;
    cluster.kill_coordinator()?;
    let state = cluster.state();
    let events = tokio::task::spawn_blocking(move || fill(&state)).await??;
    let start = Instant::now();
    cluster.start_coordinator().await?;
    let listening = start.elapsed();
    let grant = first_lease(&cluster).await?;
    let leased = start.elapsed();
    println!(
        "{TRIALS} trials, {events} events: listening after {listening:.2?}, first lease after {leased:.2?}"
    );
    assert!(grant.lease.is_some());
    assert!(leased < LIMIT, "the first lease came after {leased:?}");
    Ok(())
}
