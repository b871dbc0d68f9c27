//! A coordinator inside another command, on a state folder that has none running.

use std::{path::PathBuf, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{failure::Failure, logging};
use crate::{
    client::{ClientError, Remote, Stored, Target},
    server::{RunError, Server},
    settings::ServeSettings,
};

/// How long it may take to answer its own process.
const PATIENCE: Duration = Duration::from_secs(30);

/// A coordinator in this process, on a free port of this machine.
#[derive(Debug)]
pub(crate) struct Embedded {
    stop: CancellationToken,
    server: JoinHandle<Result<(), RunError>>,
}

impl Embedded {
    /// Starts it. Its log goes to the state folder.
    pub(crate) async fn start(state: PathBuf) -> Result<(Self, Remote), Failure> {
        let settings =
            ServeSettings { listen: ([127, 0, 0, 1], 0).into(), ..ServeSettings::new(state.clone()) };
        let server = Server::bind(settings).await?;
        logging::to_file(&state)?;
        let address = server.address().to_string();
        let stop = CancellationToken::new();
        let embedded = Self { server: tokio::spawn(server.run(stop.clone())), stop };
        match Remote::connect(&address, PATIENCE).await {
            Ok(remote) => Ok((embedded, remote)),
            Err(error) => {
                embedded.stop().await?;
                Err(error.into())
            }
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.server.is_finished()
    }

    /// Stops it: finishes what is under way and closes the store.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        Ok(self.server.await??)
    }
}

/// Does something to a cluster through its coordinator, or through one that runs just for this.
///
/// Where no coordinator runs, `study` must already be stored, so that a wrong name creates nothing.
pub(crate) async fn with_coordinator<T>(
    target: &Target,
    study: Option<&str>,
    act: impl AsyncFnOnce(&Remote) -> Result<T, ClientError>,
) -> Result<T, Failure> {
    if let Some(remote) = target.coordinator().await? {
        return Ok(act(&remote).await?);
    }
    if let Some(study) = study {
        Stored::open(&target.folder())?.study(study)?;
    }
    let (embedded, remote) = Embedded::start(target.folder()).await?;
    let done = act(&remote).await;
    embedded.stop().await?;
    Ok(done?)
}
