//! Objects on their way out.

use bytes::Bytes;
use futures::{StreamExt as _, future, stream};
use proto::v1 as pb;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::worker_service::Down;
use crate::access::limits::{self, Pace};

/// Bytes as a stream of chunks. Where they are taken too slowly they are given up at once, and what comes out at the end is
/// an error, whenever that is taken.
pub(super) fn pieces(tasks: &TaskTracker, bytes: Bytes) -> Down<pb::ObjectChunk> {
    pieces_at(limits::PACE, tasks, bytes)
}

fn pieces_at(pace: Pace, tasks: &TaskTracker, bytes: Bytes) -> Down<pb::ObjectChunk> {
    let (reader, chunks) = mpsc::channel(1);
    let (gives_up, given_up) = oneshot::channel();
    // A task, because a stream that is not read is not asked for anything either.
    tasks.spawn(async move {
        if let Err(status) = send(&reader, bytes, pace).await {
            // Not behind the chunks that wait: nobody may ever take those.
            let _ = gives_up.send(status);
        }
    });
    let chunks = ReceiverStream::new(chunks).map(Ok);
    // Without a reason where all were taken.
    let end = stream::once(given_up).filter_map(|given_up| future::ready(given_up.ok().map(Err)));
    Box::pin(chunks.chain(end))
}

async fn send(reader: &mpsc::Sender<pb::ObjectChunk>, bytes: Bytes, pace: Pace) -> Result<(), Status> {
    let begun = Instant::now();
    for start in (0..bytes.len()).step_by(proto::CHUNK_BYTES) {
        let end = bytes.len().min(start + proto::CHUNK_BYTES);
        // Copied: one chunk that waits to be taken must not keep the whole object in memory.
        let data = Bytes::copy_from_slice(&bytes[start..end]);
        let chunk = reader.send(pb::ObjectChunk { header: None, data });
        match timeout_at(pace.due(begun, start as u64), chunk).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => {
                let Pace { silence, rate } = pace;
                return Err(Status::deadline_exceeded(format!(
                    "no chunk was taken in {silence:?}, or they are taken too slowly: {rate} bytes a second are the \
                     fewest"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;

    /// Bytes that tell when they are dropped.
    struct Watched(Vec<u8>, Option<oneshot::Sender<()>>);

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
        let (dropped, given_up) = oneshot::channel();
        let bytes = Bytes::from_owner(Watched(vec![7; 3 * proto::CHUNK_BYTES], Some(dropped)));
        let pace = Pace { silence: Duration::from_millis(20), ..limits::PACE };
        let mut chunks = pieces_at(pace, &TaskTracker::new(), bytes);
        given_up.await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap().data.len(), proto::CHUNK_BYTES);
        assert_eq!(chunks.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test]
    async fn whoever_takes_a_chunk_now_and_then_is_given_up() {
        let bytes = Bytes::from(vec![7; 64 * proto::CHUNK_BYTES]);
        let pace = Pace { silence: Duration::from_millis(100), rate: 1 << 30 };
        let mut chunks = pieces_at(pace, &TaskTracker::new(), bytes);
        let mut taken = 0;
        // No pause is too long, and all together are.
        let end = loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            match chunks.next().await.unwrap() {
                Ok(chunk) => taken += chunk.data.len(),
                Err(status) => break status,
            }
        };
        assert_eq!(end.code(), Code::DeadlineExceeded);
        assert!(taken < 64 * proto::CHUNK_BYTES, "{taken}");
    }
}
