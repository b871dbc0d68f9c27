//! One object, once over the wire.

use std::time::Duration;

use bytes::Bytes;
use common::checkpoint::{Digest, LARGEST_OBJECT};
use proto::v1::{self as pb, worker_service_client::WorkerServiceClient};
use tokio::time::{error::Elapsed, timeout};
use tonic::{Status, Streaming};
use trust::Link;

/// Longest silence within a download.
const SILENCE: Duration = Duration::from_secs(20);

/// Sends an object; it is durable when this returns.
pub(super) async fn put(channel: Link, header: pb::ObjectHeader, bytes: Bytes) -> Result<(), Status> {
    let chunks = chunks(header, bytes);
    WorkerServiceClient::new(channel).put_object(tokio_stream::iter(chunks)).await?;
    Ok(())
}

/// Receives an object, unverified.
pub(super) async fn get(channel: Link, name: pb::ObjectName) -> Result<Vec<u8>, Status> {
    let mut client = client(channel);
    collect(timeout(SILENCE, client.get_object(name)).await.map_err(silent)??.into_inner()).await
}

/// Receives a data set's object, unverified.
pub(super) async fn get_data(channel: Link, digest: Digest) -> Result<Vec<u8>, Status> {
    let mut client = client(channel);
    let name = pb::DataObject { digest: digest.to_string() };
    collect(timeout(SILENCE, client.get_data(name)).await.map_err(silent)??.into_inner()).await
}

/// Receives the object of initial weights, unverified.
pub(super) async fn get_model(channel: Link, digest: Digest) -> Result<Vec<u8>, Status> {
    let mut client = client(channel);
    let name = pb::DataObject { digest: digest.to_string() };
    collect(timeout(SILENCE, client.get_model(name)).await.map_err(silent)??.into_inner()).await
}

fn client(channel: Link) -> WorkerServiceClient<Link> {
    WorkerServiceClient::new(channel).max_decoding_message_size(proto::MESSAGE_BYTES)
}

fn silent(_: Elapsed) -> Status {
    Status::deadline_exceeded("the coordinator stopped sending")
}

async fn collect(mut chunks: Streaming<pb::ObjectChunk>) -> Result<Vec<u8>, Status> {
    let mut bytes = Vec::new();
    while let Some(chunk) = timeout(SILENCE, chunks.message()).await.map_err(silent)?? {
        if (bytes.len() + chunk.data.len()) as u64 > LARGEST_OBJECT {
            return Err(Status::out_of_range("the object is too large for this worker"));
        }
        bytes.extend_from_slice(&chunk.data);
    }
    Ok(bytes)
}

/// The header, then the bytes in pieces; an empty object is its header alone.
fn chunks(header: pb::ObjectHeader, bytes: Bytes) -> impl Iterator<Item = pb::ObjectChunk> {
    let header = pb::ObjectChunk { header: Some(header), data: Bytes::new() };
    let pieces = (0..bytes.len()).step_by(proto::CHUNK_BYTES).map(move |start| {
        let end = bytes.len().min(start + proto::CHUNK_BYTES);
        pb::ObjectChunk { header: None, data: bytes.slice(start..end) }
    });
    std::iter::once(header).chain(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_cut_into_pieces_that_fit() {
        for (size, expected) in
            [(0, vec![]), (5, vec![5]), (proto::CHUNK_BYTES + 1, vec![proto::CHUNK_BYTES, 1])]
        {
            let bytes = Bytes::from(vec![7; size]);
            let chunks: Vec<_> = chunks(pb::ObjectHeader::default(), bytes).collect();
            assert!(chunks[0].header.is_some() && chunks[0].data.is_empty());
            assert!(chunks[1..].iter().all(|chunk| chunk.header.is_none()));
            assert_eq!(chunks[1..].iter().map(|chunk| chunk.data.len()).collect::<Vec<_>>(), expected);
        }
    }
}
