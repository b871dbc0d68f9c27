//! What workers call: their session, and the objects of their trials.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use proto::v1::{self as pb, worker_message::Kind, worker_service_server::WorkerService};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use super::{
    data_service::read_data,
    model_service::read_model,
    status,
    wire::{self, present},
};
use crate::{
    blobs::{Blobs, ObjectKey},
    driver::{self, Answer, Driver, Happened, Report, SessionHandle},
};

/// Largest object that a worker may store, in bytes.
const OBJECT_BYTES: u64 = 1 << 30;

/// How long a new stream has to say Hello.
const HELLO: Duration = Duration::from_secs(10);

/// The worker service.
#[derive(Debug, Clone)]
pub struct WorkerServer {
    driver: Driver,
    blobs: Arc<Blobs>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl WorkerServer {
    /// A service that passes sessions to the driver. Its sessions run in `tasks` and end with `shutdown`.
    pub fn new(driver: Driver, blobs: Arc<Blobs>, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self { driver, blobs, tasks, shutdown }
    }

    /// Turns a report of a checkpoint, or of probabilities, that are not stored into a failed attempt: decisions rest on stored checkpoints
    /// alone. Of a lease that is stale, neither counts.
    async fn believe(&self, report: Report) -> Result<Report, Status> {
        let Report { lease, what } = report;
        for key in wire::named_objects(&lease, &what) {
            if !self.blobs.holds(&key).await.map_err(|error| status::blob(&error))? {
                tracing::warn!(%lease, "a report names an object that is not stored");
                let reason = "its worker reported a result that it had not stored".to_owned();
                return Ok(Report { lease, what: Happened::Failed(reason) });
            }
        }
        Ok(Report { lease, what })
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
        let mut up = request.into_inner();
        let hello = read_hello(&mut up).await?;
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
        let mut chunks = request.into_inner();
        let first = chunks.message().await?.ok_or_else(|| Status::invalid_argument("no header"))?;
        let header = present("chunk.header", first.header).map_err(|error| status::malformed(&error))?;
        let (key, size) = self.admit(header).await?;
        let mut bytes = BytesMut::with_capacity(size.min(64 << 20) as usize);
        let mut next = Some(first.data);
        while let Some(data) = next {
            if bytes.len() as u64 + data.len() as u64 > size {
                return Err(Status::invalid_argument("more bytes than the header says"));
            }
            bytes.extend_from_slice(&data);
            next = chunks.message().await?.map(|chunk| chunk.data);
        }
        if bytes.len() as u64 != size {
            return Err(Status::invalid_argument("fewer bytes than the header says"));
        }
        self.blobs.put(&key, bytes.freeze()).await.map_err(|error| status::blob(&error))?;
        Ok(Response::new(pb::PutObjectReply {}))
    }

    async fn get_object(
        &self,
        request: Request<pb::ObjectName>,
    ) -> Result<Response<Self::GetObjectStream>, Status> {
        read_object(&self.blobs, &request.into_inner()).await
    }

    async fn get_data(
        &self,
        request: Request<pb::DataObject>,
    ) -> Result<Response<Self::GetDataStream>, Status> {
        read_data(&self.blobs, &request.into_inner()).await.map(Response::new)
    }

    async fn get_model(
        &self,
        request: Request<pb::DataObject>,
    ) -> Result<Response<Self::GetModelStream>, Status> {
        read_model(&self.blobs, &request.into_inner()).await.map(Response::new)
    }
}

impl WorkerServer {
    /// Checks an upload's header: a sensible size, and a lease that is current.
    async fn admit(&self, header: pb::ObjectHeader) -> Result<(ObjectKey, u64), Status> {
        let parsed = || {
            let key = wire::object_key(&present("header.name", header.name)?)?;
            let lease: common::view::LeaseId = present("header.lease", header.lease)?.try_into()?;
            Ok((key, lease))
        };
        let (key, lease) = parsed().map_err(|error| status::malformed(&error))?;
        if header.size > OBJECT_BYTES {
            return Err(Status::invalid_argument(format!("an object may have {OBJECT_BYTES} bytes at most")));
        }
        if key.study != lease.study || key.trial != lease.trial {
            return Err(Status::permission_denied("the object belongs to another trial than the lease"));
        }
        match self.driver.ask(driver::Request::Holds(lease.clone())).await {
            Ok(Answer::Holds(true)) => Ok((key, header.size)),
            Ok(_) => Err(Status::failed_precondition(format!("lease {lease} is stale"))),
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
                        reports.push(self.believe(report).await?);
                    }
                    session.reports(batch.sequence, reports).await;
                }
            }
        }
        Ok(())
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
    from_driver: &mut mpsc::UnboundedReceiver<Result<driver::ToWorker, driver::NotTaken>>,
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
    blobs: &Blobs,
    name: &pb::ObjectName,
) -> Result<Response<Down<pb::ObjectChunk>>, Status> {
    let key = wire::object_key(name).map_err(|error| status::malformed(&error))?;
    let bytes = blobs.get(&key).await.map_err(|error| status::blob(&error))?;
    Ok(Response::new(pieces(&bytes)))
}

/// Bytes as a stream of chunks.
pub(super) fn pieces(bytes: &Bytes) -> Down<pb::ObjectChunk> {
    let starts = (0..bytes.len()).step_by(proto::CHUNK_BYTES);
    let chunks: Vec<Bytes> =
        starts.map(|at| bytes.slice(at..bytes.len().min(at + proto::CHUNK_BYTES))).collect();
    Box::pin(futures::stream::iter(chunks).map(|data| Ok(pb::ObjectChunk { header: None, data })))
}
