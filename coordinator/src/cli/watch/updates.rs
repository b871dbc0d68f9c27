//! A study's states as they arrive, across restarts of its coordinator.

use std::time::{Duration, Instant};

use common::view::{StudyPhase, StudyView};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::client::{ClientError, Remote};

/// How long a coordinator may be silent before it is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_secs(1);

/// News of a study.
#[derive(Debug)]
pub(super) enum Update {
    /// It is like this now.
    Changed(Box<StudyView>),
    /// Its coordinator is silent; it is asked again. Said once per silence.
    Lost(ClientError),
    /// There will be no more news.
    Failed(ClientError),
}

/// The news of one study.
#[derive(Debug)]
pub(super) struct Updates {
    news: mpsc::Receiver<Update>,
    _relay: AbortOnDropHandle<()>,
}

impl Updates {
    /// Begins to listen.
    pub(super) fn of(remote: Remote, study: String) -> Self {
        let (sender, news) = mpsc::channel(16);
        let relay = AbortOnDropHandle::new(tokio::spawn(relay(remote, study, sender)));
        Self { news, _relay: relay }
    }

    /// The next news; waits for ever after the last. None is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Update {
        match self.news.recv().await {
            Some(update) => update,
            None => std::future::pending().await,
        }
    }
}

async fn relay(remote: Remote, study: String, news: mpsc::Sender<Update>) {
    let mut silent_since = None;
    loop {
        let ended = stream(&remote, &study, &news, &mut silent_since).await;
        let last = match ended {
            Ok(()) => return,
            Err(error) if error.is_transient() => {
                let first = silent_since.is_none();
                let since = *silent_since.get_or_insert_with(Instant::now);
                match (since.elapsed() < PATIENCE, first) {
                    (true, true) => Some(Update::Lost(error)),
                    (true, false) => None,
                    (false, _) => Some(Update::Failed(error)),
                }
            }
            Err(error) => Some(Update::Failed(error)),
        };
        let over = matches!(last, Some(Update::Failed(_)));
        if let Some(update) = last
            && (news.send(update).await.is_err() || over)
        {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Passes on one stream of states. Done when the study has finished or nobody listens.
async fn stream(
    remote: &Remote,
    study: &str,
    news: &mpsc::Sender<Update>,
    silent_since: &mut Option<Instant>,
) -> Result<(), ClientError> {
    let mut states = remote.watch(study).await?;
    while let Some(view) = states.next().await? {
        *silent_since = None;
        let finished = view.phase == StudyPhase::Finished;
        if news.send(Update::Changed(Box::new(view))).await.is_err() || finished {
            return Ok(());
        }
    }
    // A coordinator that stops ends the stream before the study has finished.
    let address = remote.address().to_owned();
    Err(ClientError::Unreachable { address, reason: "it is stopping".to_owned() })
}
