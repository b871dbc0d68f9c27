//! Data sets of the cluster: brought by people, read by them and by workers.

use std::sync::Arc;

use common::{checkpoint::Digest, ids::DataName, time::Timestamp, view::DataView};
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

/// Adds and removes data sets.
///
/// One change at a time: an object must not be deleted by a removal between its upload and its row.
#[derive(Debug, Clone)]
pub(super) struct DataDesk {
    driver: Driver,
    blobs: Arc<Blobs>,
    turn: Arc<Mutex<()>>,
}

impl DataDesk {
    /// A desk before a driver and its objects.
    pub(super) fn new(driver: Driver, blobs: Arc<Blobs>) -> Self {
        Self { driver, blobs, turn: Arc::default() }
    }

    /// Stores an uploaded object and gives it its name. The object is read through before anything is stored: what a
    /// coordinator says of a data set is what it found there.
    pub(super) async fn add(
        &self,
        chunks: Streaming<pb::DataChunk>,
        about: &About,
    ) -> Result<pb::DataSet, Status> {
        let Upload { name, digest, bytes } = Upload::<DataName>::receive(&self.blobs, chunks, about).await?;
        let (called, read) = (name.to_string(), bytes.clone());
        let parsed = tokio::task::spawn_blocking(move || data::verified(&called, &read)?.facts());
        let parsed = parsed.await.map_err(|_| Status::internal("reading the data set panicked"))?;
        let facts = parsed.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let set = DataView { name, facts, size: bytes.len() as u64, created: Timestamp(0) };

        let _turn = self.turn.lock().await;
        // Where the name is taken nothing is stored.
        let check = self.driver.ask(driver::Request::CheckData(set.clone())).await;
        check.map_err(|error| status::refused(&error))?;
        self.blobs.put_data(digest, bytes).await.map_err(|error| status::blob(&error))?;
        match self.driver.ask(driver::Request::AddData(set)).await {
            Ok(Answer::Data(set)) => Ok(set.into()),
            Ok(_) => Err(Status::internal("another answer than asked for")),
            // The object stays where it is: another name may have it, and the next start deletes one that has none.
            Err(error) => Err(status::refused(&error)),
        }
    }

    /// Takes a data set's name away, and its object where no other name has it.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Status> {
        let name = name.parse().map_err(|error| status::malformed(&Malformed::new("data.name", error)))?;
        let Self { driver, blobs, turn } = self.clone();
        // By a task of its own: where the caller goes away, the object goes with its name all the same.
        let removed = tokio::spawn(async move {
            let _turn = turn.lock().await;
            match driver.ask(driver::Request::RemoveData(name)).await {
                Ok(Answer::DataRemoved(None)) => Ok(()),
                Ok(Answer::DataRemoved(Some(object))) => {
                    blobs.delete_data(object).await.map_err(|error| status::blob(&error))
                }
                Ok(_) => Err(Status::internal("another answer than asked for")),
                Err(error) => Err(status::refused(&error)),
            }
        });
        removed.await.map_err(|_| Status::internal("the removal panicked"))?
    }
}

/// Reads a packed data set as a stream of chunks.
pub(super) async fn read_data(
    tasks: &TaskTracker,
    blobs: &Blobs,
    object: &pb::DataObject,
) -> Result<Down<pb::ObjectChunk>, Status> {
    let bytes = blobs.get_data(digest(object)?).await.map_err(|error| status::blob(&error))?;
    Ok(pieces(tasks, bytes))
}

/// The digest that an object is named by.
pub(super) fn digest(object: &pb::DataObject) -> Result<Digest, Status> {
    object.digest.parse().map_err(|error| status::malformed(&Malformed::new("object.digest", error)))
}
