//! Weights of the cluster: brought by people, read by workers.

use std::sync::Arc;

use common::{checkpoint::Digest, ids::ModelName, time::Timestamp, view::ModelView};
use proto::{Malformed, v1 as pb};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;
use tonic::{Status, Streaming};

use super::{download::pieces, status, upload::Upload, worker_service::Down};
use crate::{
    access::About,
    blobs::Blobs,
    driver::{self, Answer, Driver},
};

/// Adds and removes weights.
///
/// One change at a time: an object must not be deleted by a removal between its upload and its row.
#[derive(Debug, Clone)]
pub(super) struct ModelDesk {
    driver: Driver,
    blobs: Arc<Blobs>,
    turn: Arc<Mutex<()>>,
}

impl ModelDesk {
    /// A desk before a driver and its objects.
    pub(super) fn new(driver: Driver, blobs: Arc<Blobs>) -> Self {
        Self { driver, blobs, turn: Arc::default() }
    }

    /// Stores an uploaded object and gives it its name. The object is read through before anything is stored: what a
    /// coordinator says of weights is what it found there.
    pub(super) async fn add(
        &self,
        chunks: Streaming<pb::DataChunk>,
        about: &About,
    ) -> Result<pb::Model, Status> {
        let Upload { name, digest, bytes } = Upload::<ModelName>::receive(&self.blobs, chunks, about).await?;
        let read = bytes.clone();
        let parsed = tokio::task::spawn_blocking(move || weights::verified(&read)).await;
        let parsed = parsed.map_err(|_| Status::internal("reading the weights panicked"))?;
        let facts = parsed.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let model = ModelView { name, facts, size: bytes.len() as u64, created: Timestamp(0) };

        let _turn = self.turn.lock().await;
        // Where the name is taken nothing is stored.
        let check = self.driver.ask(driver::Request::CheckModel(model.clone())).await;
        check.map_err(|error| status::refused(&error))?;
        self.blobs.put_model(digest, bytes).await.map_err(|error| status::blob(&error))?;
        match self.driver.ask(driver::Request::AddModel(model)).await {
            Ok(Answer::Model(model)) => Ok(model.into()),
            Ok(_) => Err(Status::internal("another answer than asked for")),
            // The object stays where it is: another name may have it, and the next start deletes one that has none.
            Err(error) => Err(status::refused(&error)),
        }
    }

    /// Takes the name of weights away, and their object where no other name has it.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Status> {
        let name = name.parse().map_err(|error| status::malformed(&Malformed::new("model.name", error)))?;
        let Self { driver, blobs, turn } = self.clone();
        // By a task of its own: where the caller goes away, the object goes with its name all the same.
        let removed = tokio::spawn(async move {
            let _turn = turn.lock().await;
            match driver.ask(driver::Request::RemoveModel(name)).await {
                Ok(Answer::ModelRemoved(None)) => Ok(()),
                Ok(Answer::ModelRemoved(Some(object))) => {
                    blobs.delete_model(object).await.map_err(|error| status::blob(&error))
                }
                Ok(_) => Err(Status::internal("another answer than asked for")),
                Err(error) => Err(status::refused(&error)),
            }
        });
        removed.await.map_err(|_| Status::internal("the removal panicked"))?
    }
}

/// Reads packed weights as a stream of chunks.
pub(super) async fn read_model(
    tasks: &TaskTracker,
    blobs: &Blobs,
    digest: Digest,
) -> Result<Down<pb::ObjectChunk>, Status> {
    let bytes = blobs.get_model(digest).await.map_err(|error| status::blob(&error))?;
    Ok(pieces(tasks, bytes))
}
