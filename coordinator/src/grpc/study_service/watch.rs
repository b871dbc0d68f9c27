//! A study's states, as they change.

use common::view::{StudyPhase, StudyView};
use proto::v1 as pb;
use tokio::sync::{broadcast, mpsc};
use tonic::Status;

use super::StudyServer;

impl StudyServer {
    /// Sends a study's state whenever it changes, until it has finished or is deleted.
    pub(super) async fn publish(
        &self,
        mut study: StudyView,
        mut updates: broadcast::Receiver<StudyView>,
        watcher: &mpsc::Sender<Result<pb::Study, Status>>,
    ) {
        loop {
            let finished = study.phase == StudyPhase::Finished;
            if watcher.send(Ok(study.clone().into())).await.is_err() || finished {
                return;
            }
            study = loop {
                match updates.recv().await {
                    Ok(update) if update.id == study.id => break update,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                    // Too slow for every update: the row says what they came to.
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        let id = study.id.clone();
                        match self.read(move |reader| reader.study(&id)).await {
                            Ok(Some(row)) => break row,
                            Ok(None) | Err(_) => return,
                        }
                    }
                }
            };
        }
    }
}
