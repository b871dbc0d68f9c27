//! What workers call: their session, and the objects of their trials.

use std::{pin::Pin, sync::Arc, time::Duration};

use common::{checkpoint::LARGEST_OBJECT, ids::WorkerId};
use futures::{Stream, StreamExt as _};
use proto::{
    present,
    v1::{self as pb, worker_message::Kind, worker_service_server::WorkerService},
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Extensions, Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    data_service::{self, read_data},
    download::pieces,
    model_service::read_model,
    quota::Quota,
    status,
    upload::{first_chunk, whole},
    wire,
};
use crate::{
    access::{About, Caller},
    blobs::{Blobs, ObjectKey},
    driver::{self, Answer, Driver, Happened, Report, SessionHandle},
};

/// How long an upload waits for memory. What it does not read meanwhile holds up all that comes over its connection, signs of
/// life too, so it is not for long: its worker comes again.
const ROOM: Duration = Duration::from_secs(3);

/// How long a new stream has to say Hello.
const HELLO: Duration = Duration::from_secs(10);

/// The worker service.
#[derive(Debug, Clone)]
pub struct WorkerServer {
    driver: Driver,
    blobs: Arc<Blobs>,
    quota: Quota,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl WorkerServer {
    /// A service that passes sessions to the driver. Its sessions run in `tasks` and end with `shutdown`.
    pub fn new(driver: Driver, blobs: Arc<Blobs>, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self { driver, blobs, quota: Quota::default(), tasks, shutdown }
    }

    /// Turns a result whose checkpoint, or whose probabilities, are not stored into a lost lease: decisions rest on what is
    /// stored alone. A checkpoint on the way that is not stored is left out: where it is told once more, a newer one may
    /// have replaced it meanwhile.
    async fn believe(&self, report: Report) -> Result<Option<Report>, Status> {
        let Report { lease, what } = report;
        for key in wire::named_objects(&lease, &what) {
            if !self.blobs.holds(&key).await.map_err(|error| status::blob(&error))? {
                match what {
                    Happened::Checkpointed(_) => return Ok(None),
                    Happened::Released(_) => {
                        return Ok(Some(Report { lease, what: Happened::Released(None) }));
                    }
                    _ => {}
                }
                tracing::warn!(%lease, "a report names an object that is not stored");
                return Ok(Some(Report { lease, what: Happened::Missing }));
            }
        }
        Ok(Some(Report { lease, what }))
    }
}

pub(super) type Down<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl WorkerService for WorkerServer {
    type SessionStream = Down<pb::CoordinatorMessage>;
    type GetObjectStream = Down<pb::ObjectChunk>;
    type GetDataStream = Down<pb::ObjectChunk>;
    type GetModelStream = Down<pb::ObjectChunk>;

    async fn session(
        &self,
        request: Request<Streaming<pb::WorkerMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (metadata, extensions, mut up) = request.into_parts();
        let hello = read_hello(&mut up).await?;
        About::note(&extensions, hello.worker.as_str());
        let proven = worker(&metadata, &extensions)?;
        if let Some(proven) = proven.filter(|proven| *proven != hello.worker) {
            let claimed = hello.worker;
            return Err(Status::permission_denied(format!("worker {proven} cannot be worker {claimed}")));
        }
        let (session, mut from_driver) =
            self.driver.open(hello).await.map_err(|error| status::refused(&error))?;
        let (down, stream) = mpsc::channel(64);
        let (server, shutdown) = (self.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let ended = tokio::select! {
                ended = server.listen(&session, &mut up) => ended,
                ended = forward(&mut from_driver, &down) => ended,
                () = shutdown.cancelled() => Err(Status::unavailable("the coordinator is stopping")),
            };
            session.disconnected().await;
            if let Err(reason) = ended {
                tracing::debug!(%reason, "session ended");
                let _ = down.send(Err(reason)).await;
            }
        });
        Ok(Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(stream))))
    }

    async fn put_object(
        &self,
        request: Request<Streaming<pb::ObjectChunk>>,
    ) -> Result<Response<pb::PutObjectReply>, Status> {
        let (metadata, extensions, mut chunks) = request.into_parts();
        let worker = worker(&metadata, &extensions)?;
        let first = first_chunk(&mut chunks).await?;
        let header = present("chunk.header", first.header).map_err(|error| status::malformed(&error))?;
        let (key, size) = self.admit(worker, header).await?;
        // One that is sent once more takes no room: its first answer may have been lost.
        let stored = self.blobs.holds(&key).await.map_err(|error| status::blob(&error))?;
        if !stored {
            self.blobs.has_room(size).map_err(|error| status::blob(&error))?;
        }
        let share = tokio::time::timeout(ROOM, self.blobs.share(size)).await;
        let share =
            share.map_err(|_| Status::unavailable("too many objects are on their way: come again"))?;
        if !stored {
            self.quota.take(&self.blobs, &key.study, size).await?;
        }
        let rest = chunks.map(|chunk| chunk.map(|chunk| chunk.data));
        let bytes = share.hold(whole(size, first.data, rest).await?);
        self.blobs.put(&key, bytes).await.map_err(|error| status::blob(&error))?;
        Ok(Response::new(pb::PutObjectReply {}))
    }

    async fn get_object(
        &self,
        request: Request<pb::ObjectName>,
    ) -> Result<Response<Self::GetObjectStream>, Status> {
        let (metadata, extensions, name) = request.into_parts();
        let worker = worker(&metadata, &extensions)?;
        let key = wire::object_key(&name).map_err(|error| status::malformed(&error))?;
        let leases = driver::Request::Leases(worker, key.study.clone(), key.trial);
        self.allowed(leases, "a worker reads the objects of trials that it leases, and no others").await?;
        let found = read_object(&self.tasks, &self.blobs, &name).await;
        let lost = found.as_ref().err().is_some_and(|s| matches!(s.code(), Code::DataLoss | Code::NotFound));
        if lost {
            // The driver knows whether anybody was to go on from it; the worker hears that its lease is over. What cannot be
            // stored now is found again when the worker asks again.
            let told = self.driver.ask(driver::Request::Damaged(key)).await;
            told.map_err(|error| status::refused(&error))?;
        }
        found
    }

    async fn get_data(
        &self,
        request: Request<pb::DataObject>,
    ) -> Result<Response<Self::GetDataStream>, Status> {
        let (metadata, extensions, object) = request.into_parts();
        let worker = worker(&metadata, &extensions)?;
        let digest = data_service::digest(&object)?;
        let leases = driver::Request::LeasesOn(worker, digest);
        self.allowed(leases, "a worker reads the data of trials that it leases, and no other").await?;
        read_data(&self.tasks, &self.blobs, &object).await.map(Response::new)
    }

    async fn get_model(
        &self,
        request: Request<pb::DataObject>,
    ) -> Result<Response<Self::GetModelStream>, Status> {
        let (metadata, extensions, object) = request.into_parts();
        let worker = worker(&metadata, &extensions)?;
        let digest = data_service::digest(&object)?;
        let leases = driver::Request::LeasesFrom(worker, digest);
        self.allowed(leases, "a worker reads the weights that its trials begin with, and no others").await?;
        read_model(&self.tasks, &self.blobs, digest).await.map(Response::new)
    }
}

impl WorkerServer {
    /// Checks an upload's header: a sensible size, and a lease that is current and the worker's.
    async fn admit(
        &self,
        worker: Option<WorkerId>,
        header: pb::ObjectHeader,
    ) -> Result<(ObjectKey, u64), Status> {
        let parsed = || {
            let key = wire::object_key(&present("header.name", header.name)?)?;
            let lease: common::view::LeaseId = present("header.lease", header.lease)?.try_into()?;
            Ok((key, lease))
        };
        let (key, lease) = parsed().map_err(|error| status::malformed(&error))?;
        if header.size > LARGEST_OBJECT {
            return Err(Status::invalid_argument(format!(
                "an object may have {LARGEST_OBJECT} bytes at most"
            )));
        }
        if key.study != lease.study || key.trial != lease.trial {
            return Err(Status::permission_denied("the object belongs to another trial than the lease"));
        }
        match self.driver.ask(driver::Request::Holds(worker, lease.clone())).await {
            Ok(Answer::Holds(true)) => Ok((key, header.size)),
            Ok(_) => Err(Status::failed_precondition(format!("lease {lease} is stale, or another worker's"))),
            Err(error) => Err(status::refused(&error)),
        }
    }

    /// Asks whether a worker may read something; an error with this reason where it may not.
    async fn allowed(&self, asked: driver::Request, reason: &str) -> Result<(), Status> {
        match self.driver.ask(asked).await {
            Ok(Answer::Holds(true)) => Ok(()),
            Ok(_) => Err(Status::permission_denied(reason)),
            Err(error) => Err(status::refused(&error)),
        }
    }

    /// Passes a worker's messages to the driver until its stream ends.
    async fn listen(
        &self,
        session: &SessionHandle,
        up: &mut Streaming<pb::WorkerMessage>,
    ) -> Result<(), Status> {
        while let Some(message) = up.message().await? {
            match present("message.kind", message.kind).map_err(|error| status::malformed(&error))? {
                Kind::Hello(_) => return Err(Status::invalid_argument("a second Hello")),
                Kind::Credits(credits) => session.credits(credits.free, credits.granted).await,
                Kind::Heartbeat(_) => session.heartbeat().await,
                Kind::Reports(batch) => {
                    let mut reports = Vec::new();
                    for report in batch.reports {
                        let report = wire::report(report).map_err(|error| status::malformed(&error))?;
                        reports.extend(self.believe(report).await?);
                    }
                    session.reports(batch.sequence, reports).await;
                }
            }
        }
        Ok(())
    }
}

/// Which worker calls: the one that its certificate names; or the one that it says, where it is of the coordinator's own
/// user, who could read and write everything anyway.
fn worker(metadata: &MetadataMap, extensions: &Extensions) -> Result<Option<WorkerId>, Status> {
    match extensions.get::<Caller>() {
        Some(Caller::Local) => {
            let Some(value) = metadata.get(trust::WORKER_HEADER) else { return Ok(None) };
            let id = value.to_str().ok().and_then(|text| text.parse().ok());
            id.map(Some)
                .ok_or_else(|| Status::invalid_argument(format!("{} is no worker id", trust::WORKER_HEADER)))
        }
        Some(caller) if caller.worker().is_some() => Ok(caller.worker().cloned()),
        _ => Err(Status::permission_denied("this is for workers")),
    }
}

async fn read_hello(up: &mut Streaming<pb::WorkerMessage>) -> Result<driver::Hello, Status> {
    let first = tokio::time::timeout(HELLO, up.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no Hello came"))??
        .ok_or_else(|| Status::invalid_argument("the stream ended before Hello"))?;
    let Some(Kind::Hello(hello)) = first.kind else {
        return Err(Status::invalid_argument("the first message must be Hello"));
    };
    if hello.protocol != proto::PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "the worker speaks protocol {}, this coordinator {}: use the same release of rung on both",
            hello.protocol,
            proto::PROTOCOL
        )));
    }
    wire::hello(hello).map_err(|error| status::malformed(&error))
}

async fn forward(
    from_driver: &mut mpsc::Receiver<Result<driver::ToWorker, driver::NotTaken>>,
    down: &mpsc::Sender<Result<pb::CoordinatorMessage, Status>>,
) -> Result<(), Status> {
    while let Some(message) = from_driver.recv().await {
        let message = message.map_err(|reason| status::not_taken(&reason))?;
        if down.send(Ok(wire::to_worker(message))).await.is_err() {
            return Ok(());
        }
    }
    Err(Status::aborted("the session was closed: connect again"))
}

/// Reads an object as a stream of chunks.
pub(super) async fn read_object(
    tasks: &TaskTracker,
    blobs: &Blobs,
    name: &pb::ObjectName,
) -> Result<Response<Down<pb::ObjectChunk>>, Status> {
    let key = wire::object_key(name).map_err(|error| status::malformed(&error))?;
    let bytes = blobs.get(&key).await.map_err(|error| status::blob(&error))?;
    Ok(Response::new(pieces(tasks, bytes)))
}
