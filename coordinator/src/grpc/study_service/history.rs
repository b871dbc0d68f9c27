//! A study's history as a stream of pages.

use std::ops::ControlFlow;

use common::{history::History, ids::StudyId};
use proto::v1 as pb;
use tokio::sync::mpsc;
use tonic::Status;

use super::StudyServer;

impl StudyServer {
    /// Sends a study's history page by page, as fast as it is read; fails rather than end short.
    pub(super) async fn send_history(
        &self,
        study: StudyId,
        reader: mpsc::Sender<Result<pb::HistoryPage, Status>>,
    ) -> Result<(), Status> {
        let (runtime, shutdown) = (tokio::runtime::Handle::current(), self.shutdown.clone());
        let page = move |page: History| {
            let send = async {
                tokio::select! {
                    sent = reader.send(Ok(page.into())) => sent.is_ok(),
                    () = shutdown.cancelled() => false,
                }
            };
            if runtime.block_on(send) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.read(move |store| store.history(&study, page)).await?;
        if self.shutdown.is_cancelled() {
            Err(Status::unavailable("the coordinator is stopping"))
        } else {
            Ok(())
        }
    }
}
