//! The gRPC side: streams are handed to the test, objects are kept.

use std::pin::Pin;

use proto::v1::{self as pb, worker_message::Kind as Up, worker_service_server::WorkerService};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{Objects, Session};

/// What a test's coordinator serves.
pub(super) struct Service {
    pub(super) sessions: mpsc::Sender<Session>,
    pub(super) objects: Objects,
}

type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl WorkerService for Service {
    type SessionStream = Reply<pb::CoordinatorMessage>;
    type GetObjectStream = Reply<pb::ObjectChunk>;
    type GetDataStream = Reply<pb::ObjectChunk>;
    type GetModelStream = Reply<pb::ObjectChunk>;

    async fn session(
        &self,
        request: Request<Streaming<pb::WorkerMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut up = request.into_inner();
        let Some(pb::WorkerMessage { kind: Some(Up::Hello(hello)) }) = up.message().await? else {
            return Err(Status::invalid_argument("Hello is first"));
        };
        let (down, stream) = mpsc::channel(64);
        self.sessions.send(Session { hello, up, down, acks: true, free: None }).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn put_object(
        &self,
        request: Request<Streaming<pb::ObjectChunk>>,
    ) -> Result<Response<pb::PutObjectReply>, Status> {
        let mut chunks = request.into_inner();
        let header = chunks.message().await?.unwrap().header.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await.transpose()? {
            bytes.extend_from_slice(&chunk.data);
        }
        assert_eq!(bytes.len() as u64, header.size);
        self.objects.lock().unwrap().insert(header.name.unwrap().digest, bytes);
        Ok(Response::new(pb::PutObjectReply {}))
    }

    async fn get_object(
        &self,
        request: Request<pb::ObjectName>,
    ) -> Result<Response<Self::GetObjectStream>, Status> {
        self.chunks(&request.into_inner().digest)
    }

    async fn get_data(
        &self,
        request: Request<pb::DataObject>,
    ) -> Result<Response<Self::GetDataStream>, Status> {
        self.chunks(&request.into_inner().digest)
    }

    async fn get_model(
        &self,
        request: Request<pb::DataObject>,
    ) -> Result<Response<Self::GetModelStream>, Status> {
        self.chunks(&request.into_inner().digest)
    }
}

impl Service {
    /// A kept object in small pieces.
    fn chunks(&self, digest: &str) -> Result<Response<Reply<pb::ObjectChunk>>, Status> {
        let bytes = self.objects.lock().unwrap().get(digest).cloned();
        let bytes = bytes.ok_or_else(|| Status::not_found("no such object"))?;
        let chunks: Vec<_> = bytes
            .chunks(40)
            .map(|data| Ok(pb::ObjectChunk { header: None, data: data.to_vec().into() }))
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
}
