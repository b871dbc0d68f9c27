//! A study's history as a stream of pages.

use std::ops::ControlFlow;

use common::{history::History, ids::StudyId};
use prost::Message as _;
use proto::v1 as pb;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tonic::Status;

use super::StudyServer;
use crate::access::limits::Pace;

impl StudyServer {
    /// Sends a study's history page by page, as fast as it is read; fails rather than end short, and where pages are taken
    /// slower than `pace`. Waits while as many others are read as may be.
    pub(super) async fn send_history(
        &self,
        study: StudyId,
        reader: mpsc::Sender<Result<pb::HistoryPage, Status>>,
        pace: Pace,
    ) -> Result<(), Status> {
        let _turn = tokio::select! {
            turn = self.histories.acquire() => turn,
            () = reader.closed() => return Ok(()),
            () = self.shutdown.cancelled() => return Err(stopping()),
        };
        let (runtime, shutdown) = (tokio::runtime::Handle::current(), self.shutdown.clone());
        let history = self.read(move |store| {
            let (begun, mut passed, mut unread) = (Instant::now(), 0, false);
            store.history(&study, |page: History| {
                let room = runtime.block_on(async {
                    tokio::select! {
                        room = timeout_at(pace.due(begun, passed), reader.reserve()) => Some(room),
                        () = shutdown.cancelled() => None,
                    }
                });
                unread = matches!(room, Some(Err(_)));
                let Some(Ok(Ok(room))) = room else { return ControlFlow::Break(()) };
                let page = pb::HistoryPage::from(page);
                passed += page.encoded_len() as u64;
                room.send(Ok(page));
                ControlFlow::Continue(())
            })?;
            Ok(unread)
        });
        let unread = history.await?;
        if self.shutdown.is_cancelled() {
            Err(stopping())
        } else if unread {
            let Pace { silence, rate } = pace;
            Err(Status::deadline_exceeded(format!(
                "no page of the history was taken in {silence:?}, or they are taken too slowly: {rate} bytes a second are the fewest"
            )))
        } else {
            Ok(())
        }
    }
}

fn stopping() -> Status {
    Status::unavailable("the coordinator is stopping")
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::Arc, time::Duration};

    use common::{
        ids::TrialNumber,
        metrics::{CurvePoint, Metrics},
    };
    use futures::poll;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};
    use tonic::Code;

    use super::{super::HISTORIES, *};
    use crate::{
        clock::Clock,
        driver,
        played::Played,
        store::{Commit, Store as _},
    };

    fn pace(silence: u64, rate: u64) -> Pace {
        Pace { silence: Duration::from_millis(silence), rate }
    }

    /// A service over a study with so many epochs; its driver does not run.
    async fn server(epochs: u32) -> (tempfile::TempDir, StudyServer, StudyId) {
        let Played { folder, mut store, blobs, machine, id, .. } = Played::begin().await;
        let metrics = Metrics {
            train_loss: 1.0,
            train_accuracy: 0.5,
            val_loss: 1.0,
            val_accuracy: 0.5,
            val_macro_f1: 0.5,
        };
        let point = |epoch| CurvePoint { epoch, metrics, learning_rate: 1e-3, seconds: 0.25 };
        let curves = (1..=epochs).map(|epoch| (id.clone(), TrialNumber(0), point(epoch))).collect();
        store.commit(&Commit { curves, ..Commit::default() }).unwrap();
        let (blobs, stop) = (Arc::new(blobs), CancellationToken::new());
        let (driver, _) =
            driver::run(machine, Box::new(store), Arc::clone(&blobs), Clock::system(), stop.clone());
        let server = StudyServer::new(driver, folder.path().to_owned(), blobs, TaskTracker::new(), stop);
        (folder, server, id)
    }

    #[tokio::test]
    async fn a_history_that_nobody_reads_ends() {
        let (_folder, server, id) = server(30_000).await;
        let (reader, mut pages) = mpsc::channel(4);
        let status = server.send_history(id, reader, pace(20, 64 << 10)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        for _ in 0..4 {
            pages.recv().await.unwrap().unwrap();
        }
        assert!(pages.recv().await.is_none(), "no thread is left that would send more");
    }

    #[tokio::test]
    async fn a_history_that_is_read_too_slowly_ends_although_no_pause_is_long() {
        let (_folder, server, id) = server(60_000).await;
        let (reader, mut pages) = mpsc::channel(1);
        let sent = tokio::spawn(async move { server.send_history(id, reader, pace(2_000, u64::MAX)).await });
        let mut taken = 0;
        while pages.recv().await.is_some() {
            taken += 1;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        let status = sent.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{taken} pages");
        assert!(taken > 2, "{taken}");
    }

    #[tokio::test]
    async fn a_history_waits_for_its_turn_no_longer_than_its_reader() {
        let (_folder, server, id) = server(1).await;
        let turns = server.histories.acquire_many(HISTORIES as u32).await.unwrap();
        let send = |reader| server.send_history(id.clone(), reader, pace(30_000, 64 << 10));
        let (reader, pages) = mpsc::channel(4);
        let mut waiting = pin!(send(reader));
        assert!(poll!(&mut waiting).is_pending());
        drop(pages);
        waiting.await.unwrap();
        drop(turns);
        let (reader, mut pages) = mpsc::channel(4);
        send(reader).await.unwrap();
        assert_eq!(pages.recv().await.unwrap().unwrap().curves.len(), 1);
    }
}
