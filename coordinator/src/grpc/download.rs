//! Objects on their way out.

use std::time::Duration;

use bytes::Bytes;
use proto::v1 as pb;
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::worker_service::Down;
use crate::access::limits;

/// Bytes as a stream of chunks. Where nobody takes a chunk for as long as an upload may pause, the bytes are given up, and
/// what is taken next is an error.
pub(super) fn pieces(tasks: &TaskTracker, bytes: Bytes) -> Down<pb::ObjectChunk> {
    pieces_within(limits::SILENCE, tasks, bytes)
}

fn pieces_within(patience: Duration, tasks: &TaskTracker, bytes: Bytes) -> Down<pb::ObjectChunk> {
    let (reader, stream) = mpsc::channel(1);
    // A task, because a stream that is not read is not asked for anything either.
    tasks.spawn(async move {
        if let Err(status) = send(&reader, bytes, patience).await {
            let _ = reader.send(Err(status)).await;
        }
    });
    Box::pin(ReceiverStream::new(stream))
}

async fn send(
    reader: &mpsc::Sender<Result<pb::ObjectChunk, Status>>,
    bytes: Bytes,
    patience: Duration,
) -> Result<(), Status> {
    for start in (0..bytes.len()).step_by(proto::CHUNK_BYTES) {
        let end = bytes.len().min(start + proto::CHUNK_BYTES);
        // Copied: one chunk that waits to be taken must not keep the whole object in memory.
        let data = Bytes::copy_from_slice(&bytes[start..end]);
        match reader.send_timeout(Ok(pb::ObjectChunk { header: None, data }), patience).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return Ok(()),
            Err(SendTimeoutError::Timeout(_)) => {
                return Err(Status::deadline_exceeded(format!("no chunk was taken in {patience:?}")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tonic::Code;

    use super::*;

    /// Bytes that tell when they are dropped.
    struct Watched(Vec<u8>, Option<tokio::sync::oneshot::Sender<()>>);

    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            let _ = self.1.take().unwrap().send(());
        }
    }

    #[tokio::test]
    async fn an_object_is_sent_whole() {
        for size in [0, 5, 2 * proto::CHUNK_BYTES, 2 * proto::CHUNK_BYTES + 1] {
            let bytes = Bytes::from_iter((0..size).map(|at| (at % 251) as u8));
            let chunks = pieces(&TaskTracker::new(), bytes.clone());
            let chunks: Vec<Bytes> = chunks.map(|chunk| chunk.unwrap().data).collect().await;
            assert!(chunks.iter().all(|chunk| (1..=proto::CHUNK_BYTES).contains(&chunk.len())));
            assert_eq!(chunks.iter().flatten().copied().collect::<Vec<u8>>(), bytes);
        }
    }

    #[tokio::test]
    async fn an_object_that_nobody_reads_is_given_up_and_does_not_end_short() {
        let (dropped, given_up) = tokio::sync::oneshot::channel();
        let bytes = Bytes::from_owner(Watched(vec![7; 3 * proto::CHUNK_BYTES], Some(dropped)));
        let mut chunks = pieces_within(Duration::from_millis(20), &TaskTracker::new(), bytes);
        given_up.await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap().data.len(), proto::CHUNK_BYTES);
        assert_eq!(chunks.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert!(chunks.next().await.is_none());
    }
}
