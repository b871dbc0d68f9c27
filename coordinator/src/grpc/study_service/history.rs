//! A study's history as a stream of pages.

use std::{ops::ControlFlow, time::Duration};

use common::{history::History, ids::StudyId};
use proto::v1 as pb;
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tonic::Status;

use super::StudyServer;

impl StudyServer {
    /// Sends a study's history page by page, as fast as it is read; fails rather than end short, and where a page is not
    /// taken within `patience`. Waits while as many others are read as may be.
    pub(super) async fn send_history(
        &self,
        study: StudyId,
        reader: mpsc::Sender<Result<pb::HistoryPage, Status>>,
        patience: Duration,
    ) -> Result<(), Status> {
        let _turn = tokio::select! {
            turn = self.histories.acquire() => turn,
            () = reader.closed() => return Ok(()),
            () = self.shutdown.cancelled() => return Err(stopping()),
        };
        let (runtime, shutdown) = (tokio::runtime::Handle::current(), self.shutdown.clone());
        let history = self.read(move |store| {
            let mut unread = false;
            store.history(&study, |page: History| {
                let sent = runtime.block_on(async {
                    tokio::select! {
                        sent = reader.send_timeout(Ok(page.into()), patience) => sent,
                        () = shutdown.cancelled() => Ok(()),
                    }
                });
                unread = matches!(sent, Err(SendTimeoutError::Timeout(_)));
                match sent {
                    Ok(()) if !shutdown.is_cancelled() => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            })?;
            Ok(unread)
        });
        let unread = history.await?;
        if self.shutdown.is_cancelled() {
            Err(stopping())
        } else if unread {
            Err(Status::deadline_exceeded(format!("no page of the history was taken in {patience:?}")))
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
    use std::{pin::pin, sync::Arc};

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
        let status = server.send_history(id, reader, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        for _ in 0..4 {
            pages.recv().await.unwrap().unwrap();
        }
        assert!(pages.recv().await.is_none(), "no thread is left that would send more");
    }

    #[tokio::test]
    async fn a_history_waits_for_its_turn_no_longer_than_its_reader() {
        let (_folder, server, id) = server(1).await;
        let turns = server.histories.acquire_many(HISTORIES as u32).await.unwrap();
        let send = |reader| server.send_history(id.clone(), reader, Duration::from_secs(30));
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
