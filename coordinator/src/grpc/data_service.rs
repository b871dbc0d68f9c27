//! Data sets of the cluster: brought by people, read by them and by workers.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use common::{checkpoint::Digest, ids::DataName, time::Timestamp, view::DataView};
use proto::{Malformed, v1 as pb};
use tokio::sync::Mutex;
use tonic::{Status, Streaming};

use super::{
    status,
    wire::present,
    worker_service::{Down, next_chunk, pieces},
};
use crate::{
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

/// What an upload's header says.
struct Header {
    name: DataName,
    digest: Digest,
    size: u64,
}

impl DataDesk {
    /// A desk before a driver and its objects.
    pub(super) fn new(driver: Driver, blobs: Arc<Blobs>) -> Self {
        Self { driver, blobs, turn: Arc::default() }
    }

    /// Stores an uploaded object and gives it its name. The object is read through before anything is stored: what a
    /// coordinator says of a data set is what it found there.
    pub(super) async fn add(&self, chunks: Streaming<pb::DataChunk>) -> Result<pb::DataSet, Status> {
        let (header, bytes) = receive(chunks).await?;
        let (name, read) = (header.name.to_string(), bytes.clone());
        let parsed = tokio::task::spawn_blocking(move || data::verified(&name, &read)?.facts());
        let parsed = parsed.await.map_err(|_| Status::internal("reading the data set panicked"))?;
        let facts = parsed.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let set = DataView { name: header.name, facts, size: header.size, created: Timestamp(0) };

        let _turn = self.turn.lock().await;
        self.blobs.put_data(header.digest, bytes).await.map_err(|error| status::blob(&error))?;
        match self.driver.ask(driver::Request::AddData(set)).await {
            Ok(Answer::Data(set)) => Ok(set.into()),
            Ok(_) => Err(Status::internal("another answer than asked for")),
            // The object stays where it is: another name may have it, and one that has none is only space.
            Err(error) => Err(status::refused(&error)),
        }
    }

    /// Takes a data set's name away, and its object where no other name has it.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Status> {
        let name = name.parse().map_err(|error| status::malformed(&Malformed::new("data.name", error)))?;
        let _turn = self.turn.lock().await;
        match self.driver.ask(driver::Request::RemoveData(name)).await {
            Ok(Answer::DataRemoved(None)) => Ok(()),
            Ok(Answer::DataRemoved(Some(object))) => {
                self.blobs.delete_data(object).await.map_err(|error| status::blob(&error))
            }
            Ok(_) => Err(Status::internal("another answer than asked for")),
            Err(error) => Err(status::refused(&error)),
        }
    }
}

/// Reads a packed data set as a stream of chunks.
pub(super) async fn read_data(
    blobs: &Blobs,
    object: &pb::DataObject,
) -> Result<Down<pb::ObjectChunk>, Status> {
    let bytes = blobs.get_data(digest(object)?).await.map_err(|error| status::blob(&error))?;
    Ok(pieces(&bytes))
}

/// The digest that an object is named by.
pub(super) fn digest(object: &pb::DataObject) -> Result<Digest, Status> {
    object.digest.parse().map_err(|error| status::malformed(&Malformed::new("data.digest", error)))
}

async fn receive(mut chunks: Streaming<pb::DataChunk>) -> Result<(Header, Bytes), Status> {
    let first = next_chunk(&mut chunks).await?.ok_or_else(|| Status::invalid_argument("no header"))?;
    let parsed = || {
        let header = present("chunk.header", first.header)?;
        Ok(Header {
            name: header.name.parse().map_err(|error| Malformed::new("data.name", error))?,
            digest: header.digest.parse().map_err(|error| Malformed::new("data.digest", error))?,
            size: header.size,
        })
    };
    let header = parsed().map_err(|error: Malformed| status::malformed(&error))?;
    if header.size > data::LARGEST_OBJECT {
        let most = data::LARGEST_OBJECT;
        return Err(Status::invalid_argument(format!("a packed data set may have {most} bytes at most")));
    }
    let mut bytes = BytesMut::with_capacity(header.size.min(64 << 20) as usize);
    let mut next = Some(first.data);
    while let Some(data) = next {
        if bytes.len() as u64 + data.len() as u64 > header.size {
            return Err(Status::invalid_argument("more bytes than the header says"));
        }
        bytes.extend_from_slice(&data);
        next = next_chunk(&mut chunks).await?.map(|chunk| chunk.data);
    }
    let bytes = bytes.freeze();
    if bytes.len() as u64 != header.size || Digest::of(&bytes) != header.digest {
        return Err(Status::invalid_argument("the bytes are not those that the header says"));
    }
    Ok((header, bytes))
}
