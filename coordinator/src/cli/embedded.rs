//! A coordinator inside another command, on a state folder that has none running.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::study::StudySpec;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{failure::Failure, logging};
use crate::{
    client::{ClientError, Remote, Stored, Target, dial_published},
    driver,
    server::{RunError, Server},
    settings::{ServeSettings, ServeTls},
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
        // All that it talks to is on this machine.
        let (listen, tls) = (([127, 0, 0, 1], 0).into(), ServeTls::Off);
        let settings = ServeSettings { listen, tls, of_command: true, ..ServeSettings::new(state.clone()) };
        let server = Server::bind(settings).await?;
        logging::to_file(&state)?;
        let dial = dial_published(&server.published())?;
        let stop = CancellationToken::new();
        let embedded = Self { server: tokio::spawn(server.run(stop.clone())), stop };
        match Remote::connect(&dial, PATIENCE).await {
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
    with_embedded(target, act).await
}

/// Refuses a study that a new coordinator on this folder would refuse, before there is one: then nothing is created.
pub(crate) fn check_in_new(folder: &Path, spec: &StudySpec) -> Result<(), Failure> {
    match Stored::open(folder)?.is_new() {
        true => driver::check_in_new(spec).map_err(Failure::bad_input),
        false => Ok(()),
    }
}

/// Does something through a coordinator that runs just for this.
async fn with_embedded<T>(
    target: &Target,
    act: impl AsyncFnOnce(&Remote) -> Result<T, ClientError>,
) -> Result<T, Failure> {
    let (embedded, remote) = Embedded::start(target.folder()).await?;
    let done = act(&remote).await;
    embedded.stop().await?;
    Ok(done?)
}

/// Reads what only a coordinator tells; none where no coordinator has ever run on the state folder, which stays as it is.
pub(crate) async fn read_with_coordinator<T>(
    target: &Target,
    read: impl AsyncFnOnce(&Remote) -> Result<T, ClientError>,
) -> Result<Option<T>, Failure> {
    match target.coordinator().await? {
        Some(remote) => Ok(Some(read(&remote).await?)),
        None if Stored::open(&target.folder())?.is_new() => Ok(None),
        None => with_embedded(target, read).await.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use common::{study::StudySpec, view::StudyPhase};

    use super::*;
    use crate::{cli::failure::Code, client::OnConflict};

    #[tokio::test]
    async fn a_change_without_a_coordinator_is_stored_and_leaves_none_running() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target { state: Some(folder.path().join("state")), ..Target::default() };
        let text = "{name: drill, model: formula, space: {x: {float: [0, 1]}}}";
        let spec = StudySpec::from_yaml(text).unwrap();
        let submit = async |remote: &Remote| remote.submit(&spec, OnConflict::Match).await;
        with_coordinator(&target, None, submit).await.unwrap();
        let pause = async |remote: &Remote| remote.pause("drill").await;
        with_coordinator(&target, Some("drill"), pause).await.unwrap();
        assert!(target.coordinator().await.unwrap().is_none());
        let stored = Stored::open(&target.folder()).unwrap();
        assert_eq!(stored.study("drill").unwrap().0.phase, StudyPhase::Paused);
    }

    #[tokio::test]
    async fn reading_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let target = Target { state: Some(state.clone()), ..Target::default() };
        let tokens = async || read_with_coordinator(&target, async |remote| remote.tokens().await).await;
        assert!(tokens().await.unwrap().is_none() && !state.exists());
        with_coordinator(&target, None, async |remote| remote.tokens().await).await.unwrap();
        assert_eq!(tokens().await.unwrap().map(|tokens| tokens.len()), Some(0));
    }

    #[tokio::test]
    async fn a_wrong_name_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let target = Target { state: Some(state.clone()), ..Target::default() };
        let stop = async |remote: &Remote| remote.stop("drill").await;
        let failure = with_coordinator(&target, Some("drill"), stop).await.unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(!state.exists());
    }

    #[tokio::test]
    async fn a_folder_has_one_coordinator() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = Embedded::start(folder.path().to_owned()).await.unwrap();
        let failure = Embedded::start(folder.path().to_owned()).await.unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(!first.has_ended());
        first.stop().await.unwrap();
    }
}
