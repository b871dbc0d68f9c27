//! One worker against another: nothing of a lease that it does not hold.

use common::{checkpoint::Digest, study::StudySpec};
use proto::v1::{
    self as pb, coordinator_message::Kind as Down, study_service_client::StudyServiceClient,
    worker_message::Kind as Up, worker_service_client::WorkerServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use trust::Link;

use super::{Coordinator, SOON, open};
use crate::settings::ServeSettings;

struct Worker {
    client: WorkerServiceClient<Link>,
    up: mpsc::Sender<pb::WorkerMessage>,
    down: Streaming<pb::CoordinatorMessage>,
}

fn hello(worker: &str) -> Up {
    Up::Hello(pb::Hello {
        protocol: proto::PROTOCOL,
        worker: worker.to_owned(),
        incarnation: 1,
        device: Some(pb::DeviceFacts::default()),
        slots: 1,
        ..pb::Hello::default()
    })
}

async fn session(
    client: &mut WorkerServiceClient<Link>,
    first: Up,
) -> Result<(mpsc::Sender<pb::WorkerMessage>, Streaming<pb::CoordinatorMessage>), Status> {
    let (up, messages) = mpsc::channel(8);
    up.send(pb::WorkerMessage { kind: Some(first) }).await.unwrap();
    Ok((up, client.session(ReceiverStream::new(messages)).await?.into_inner()))
}

impl Worker {
    async fn start(coordinator: &Coordinator, name: &str) -> Self {
        let identity = coordinator.worker(name).await;
        let mut client = WorkerServiceClient::new(open(&coordinator.dial(None, Some(&identity))).await);
        let (up, down) = session(&mut client, hello(name)).await.unwrap();
        Self { client, up, down }
    }

    async fn say(&self, kind: Up) {
        self.up.send(pb::WorkerMessage { kind: Some(kind) }).await.unwrap();
    }

    async fn hear<T>(&mut self, wanted: impl Fn(Down) -> Option<T>) -> T {
        loop {
            let message = tokio::time::timeout(SOON, self.down.message()).await.unwrap().unwrap().unwrap();
            if let Some(found) = message.kind.and_then(&wanted) {
                return found;
            }
        }
    }

    async fn put(&mut self, lease: &pb::Lease, bytes: &[u8]) -> Result<(), Status> {
        let header = pb::ObjectHeader {
            name: Some(name(lease, bytes)),
            size: bytes.len() as u64,
            lease: Some(lease.clone()),
        };
        let chunk = pb::ObjectChunk { header: Some(header), data: bytes.to_vec().into() };
        self.client.put_object(tokio_stream::iter([chunk])).await.map(drop)
    }

    async fn get(&mut self, lease: &pb::Lease, bytes: &[u8]) -> Result<(), Status> {
        self.client.get_object(name(lease, bytes)).await.map(drop)
    }
}

fn name(lease: &pb::Lease, bytes: &[u8]) -> pb::ObjectName {
    pb::ObjectName {
        study: lease.study.clone(),
        trial: lease.trial,
        epoch: 1,
        kind: pb::ObjectKind::Weights.into(),
        digest: Digest::of(bytes).to_string(),
    }
}

fn code(result: Result<(), Status>) -> Code {
    result.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn a_worker_touches_its_own_leases_and_no_others() {
    let coordinator = Coordinator::start().await;
    let mut studies = StudyServiceClient::new(coordinator.local().await);
    let spec = StudySpec::from_yaml("{name: drill, model: formula, space: {x: {float: [0, 1]}}}").unwrap();
    let submit = pb::SubmitStudyRequest { spec_json: spec.to_json(), on_conflict: 0 };
    studies.submit_study(submit).await.unwrap();

    let mut a = Worker::start(&coordinator, "a").await;
    let mut b = Worker::start(&coordinator, "b").await;
    a.say(Up::Credits(pb::Credits { free: 1, granted: 0 })).await;
    let grant = |kind| if let Down::Grants(grants) = kind { grants.grants.into_iter().next() } else { None };
    let lease = a.hear(grant).await.lease.unwrap();
    a.put(&lease, b"weights").await.unwrap();
    a.get(&lease, b"weights").await.unwrap();

    assert_eq!(code(b.put(&lease, b"other").await), Code::FailedPrecondition);
    assert_eq!(code(b.get(&lease, b"weights").await), Code::PermissionDenied);
    let data = pb::DataObject { digest: Digest::of(b"data").to_string() };
    assert_eq!(code(b.client.get_data(data.clone()).await.map(drop)), Code::PermissionDenied);
    assert_eq!(code(b.client.get_model(data).await.map(drop)), Code::PermissionDenied);
    // With a lease of its own, another trial's objects are still not its own.
    b.say(Up::Credits(pb::Credits { free: 1, granted: 0 })).await;
    let own = b.hear(grant).await.lease.unwrap();
    assert_ne!(own.trial, lease.trial);
    assert_eq!(code(b.get(&lease, b"weights").await), Code::PermissionDenied);
    let header = pb::ObjectHeader { name: Some(name(&lease, b"x")), size: 1, lease: Some(own.clone()) };
    let chunk = pb::ObjectChunk { header: Some(header), data: b"x".to_vec().into() };
    let mixed = b.client.put_object(tokio_stream::iter([chunk])).await.map(drop);
    assert_eq!(code(mixed), Code::PermissionDenied);

    // What it says of the other's lease changes nothing: the lease is still there, and the other's.
    let failed = pb::report::Kind::Failed(pb::AttemptFailed { reason: "sabotage".to_owned() });
    let report = pb::Report { lease: Some(lease.clone()), kind: Some(failed) };
    b.say(Up::Reports(pb::Reports { sequence: 1, reports: vec![report] })).await;
    b.hear(|kind| if let Down::Ack(_) = kind { Some(()) } else { None }).await;
    a.put(&lease, b"weights").await.unwrap();
    let trial = pb::GetTrialRequest { study: "drill".to_owned(), trial: lease.trial };
    let trial = studies.get_trial(trial).await.unwrap().into_inner().trial.unwrap();
    assert!(trial.failure.is_empty(), "{trial:?}");

    // Nor can it be the other.
    let stolen = session(&mut b.client, hello("a")).await.map(drop);
    assert_eq!(code(stolen), Code::PermissionDenied);
    coordinator.stop().await;
}

#[tokio::test]
async fn another_protocol_and_an_oversize_message_are_refused_and_the_coordinator_goes_on() {
    let coordinator = Coordinator::start().await;
    let identity = coordinator.worker("node-1").await;
    let mut client = WorkerServiceClient::new(open(&coordinator.dial(None, Some(&identity))).await);
    let Up::Hello(old) = hello("node-1") else { unreachable!() };
    let old = Up::Hello(pb::Hello { protocol: 1, ..old });
    let status = session(&mut client, old).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("the same release of rung on both"), "{status:?}");

    let lease = pb::Lease { study: "00c0ffee".to_owned(), trial: 1, attempt: 1 };
    let header = pb::ObjectHeader { name: Some(name(&lease, b"x")), size: 1, lease: Some(lease) };
    let chunk = pb::ObjectChunk { header: Some(header), data: vec![0; proto::MESSAGE_BYTES + 1].into() };
    let status = client.put_object(tokio_stream::iter([chunk])).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let mut studies = StudyServiceClient::new(coordinator.local().await);
    let spec_json = " ".repeat(proto::CONTROL_BYTES + 1);
    let status =
        studies.submit_study(pb::SubmitStudyRequest { spec_json, on_conflict: 0 }).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert!(studies.list_studies(pb::ListStudiesRequest {}).await.unwrap().into_inner().studies.is_empty());
    coordinator.stop().await;
}

#[tokio::test]
async fn a_stored_object_is_taken_once_more_where_nothing_else_has_room() {
    let coordinator = Coordinator::with(|settings| ServeSettings { quota: Some(10), ..settings }).await;
    let mut studies = StudyServiceClient::new(coordinator.local().await);
    let spec = StudySpec::from_yaml("{name: drill, model: formula, space: {x: {float: [0, 1]}}}").unwrap();
    let submit = pb::SubmitStudyRequest { spec_json: spec.to_json(), on_conflict: 0 };
    studies.submit_study(submit).await.unwrap();
    let mut worker = Worker::start(&coordinator, "a").await;
    worker.say(Up::Credits(pb::Credits { free: 1, granted: 0 })).await;
    let grant = |kind| if let Down::Grants(grants) = kind { grants.grants.into_iter().next() } else { None };
    let lease = worker.hear(grant).await.lease.unwrap();
    for _ in 0..2 {
        worker.put(&lease, b"weights").await.unwrap();
    }
    assert_eq!(code(worker.put(&lease, b"another").await), Code::ResourceExhausted);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_whole_id_means_a_worker_also_where_another_id_begins_so() {
    let coordinator = Coordinator::start().await;
    let _one = Worker::start(&coordinator, "node-1").await;
    let _ten = Worker::start(&coordinator, "node-10").await;
    let mut studies = StudyServiceClient::new(coordinator.local().await);
    for (text, meant) in
        [("node-1", Some("node-1")), ("node-10", Some("node-10")), ("node", None), ("", None)]
    {
        let request = pb::DrainWorkerRequest { worker: text.to_owned() };
        let drained = studies.drain_worker(request).await.map(|reply| reply.into_inner().worker);
        assert_eq!(drained.ok().as_deref(), meant, "{text}");
    }
    coordinator.stop().await;
}
