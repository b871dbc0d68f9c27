//! A coordinator from start to stop.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use proto::v1::{study_service_server::StudyServiceServer, worker_service_server::WorkerServiceServer};
use scheduler::ReplayError;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpIncoming;

use crate::{
    blobs::{BlobError, Blobs},
    clock::Clock,
    driver::{self, Machine},
    grpc::{StudyServer, WorkerServer},
    settings::ServeSettings,
    store::{FolderError, SqliteStore, StateFolder, Store as _, StoreError},
};

/// How long open calls have to end once the coordinator stops.
const GRACE: Duration = Duration::from_secs(5);

/// The file in a state folder that says where its coordinator listens.
pub const ADDRESS_FILE: &str = "coordinator.json";

/// What [`ADDRESS_FILE`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Where clients reach it, `HOST:PORT`.
    pub address: String,
    /// Its process.
    pub pid: u32,
}

/// A coordinator that has its folder, its store and its port, and has not begun.
#[derive(Debug)]
pub struct Server {
    settings: ServeSettings,
    folder: StateFolder,
    store: SqliteStore,
    blobs: Arc<Blobs>,
    machine: Machine,
    clock: Clock,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the state folder and the port and replays the store. Nothing is left behind when it fails.
    pub async fn bind(settings: ServeSettings) -> Result<Self, StartError> {
        let port = |source| StartError::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(port)?;
        let address = listener.local_addr().map_err(port)?;
        let folder = StateFolder::lock(&settings.state)?;
        let mut store = SqliteStore::open(folder.path())?;
        let blobs = Arc::new(Blobs::open(folder.path())?.limited(settings.quota).await?);
        let clock = Clock::system();
        if store.take_up(clock.now())? {
            tracing::warn!("the store was restored from a backup: work that was done since is done again");
        }
        let mut machine = Machine::recover(store.load()?, settings.lease, clock.now())?;
        machine.restore_data(store.data()?);
        Ok(Self { settings, folder, store, blobs, machine, clock, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then finishes what is under way and closes the store.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let address_file = Publication::write(&self)?;
        let tasks = TaskTracker::new();
        let driver_stop = CancellationToken::new();
        let (driver, machine) = driver::run(
            self.machine,
            Box::new(self.store),
            Arc::clone(&self.blobs),
            self.clock,
            driver_stop.clone(),
        );
        let workers =
            WorkerServer::new(driver.clone(), Arc::clone(&self.blobs), tasks.clone(), shutdown.clone());
        let state = self.folder.path().to_owned();
        let studies = StudyServer::new(driver, state, self.blobs, tasks.clone(), shutdown.clone());
        let router = router(workers, studies).await?;
        tracing::info!(address = %self.address, state = %self.folder.path().display(), "coordinator started");

        let incoming =
            TcpIncoming::from(TcpListenerStream::new(self.listener).into_inner()).with_nodelay(Some(true));
        let stop = shutdown.clone();
        let serve =
            tasks.spawn(router.serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await }));
        let machine = tasks.spawn(machine);
        tasks.close();
        let mut machine = machine;
        let died = tokio::select! {
            () = shutdown.cancelled() => None,
            ended = &mut machine => Some(ended),
        };
        shutdown.cancel();
        if tokio::time::timeout(GRACE, serve).await.is_err() {
            tracing::warn!("calls were still open after {GRACE:?}");
        }
        driver_stop.cancel();
        let ended = match died {
            Some(ended) => ended,
            None => machine.await,
        };
        drop(address_file);
        ended.map_err(|_| RunError::Panicked)?.map_err(RunError::Store)
    }
}

async fn router(
    workers: WorkerServer,
    studies: StudyServer,
) -> Result<tonic::transport::server::Router, RunError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<WorkerServiceServer<WorkerServer>>().await;
    health.set_serving::<StudyServiceServer<StudyServer>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1()
        .map_err(RunError::Reflection)?;
    let workers = WorkerServiceServer::new(workers)
        .max_decoding_message_size(proto::MESSAGE_BYTES)
        .max_encoding_message_size(proto::MESSAGE_BYTES);
    let studies = StudyServiceServer::new(studies)
        .max_decoding_message_size(proto::MESSAGE_BYTES)
        .max_encoding_message_size(64 << 20);
    Ok(tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .add_service(health_service)
        .add_service(reflection)
        .add_service(workers)
        .add_service(studies))
}

/// The files that say where the coordinator is, and what they say; removed when it stops.
#[derive(Debug)]
struct Publication(Vec<(PathBuf, String)>);

impl Publication {
    fn write(server: &Server) -> Result<Self, RunError> {
        let host = server.settings.advertise.clone().unwrap_or_else(|| server.address.ip().to_string());
        let address = format!("{host}:{}", server.address.port());
        let published = Published { address: address.clone(), pid: std::process::id() };
        let json = serde_json::to_string(&published).map_err(io::Error::other);
        let state_file = server.folder.path().join(ADDRESS_FILE);
        let mut publication = Self(Vec::new());
        publication.put(&state_file, &format!("{}\n", json.map_err(RunError::Publish)?))?;
        if let Some(file) = &server.settings.address_file {
            publication.put(file, &format!("{address}\n"))?;
        }
        Ok(publication)
    }

    /// Writes a file whole, so that nobody reads half an address.
    fn put(&mut self, file: &Path, text: &str) -> Result<(), RunError> {
        let unfinished = file.with_extension("tmp");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, file))
            .map_err(RunError::Publish)?;
        self.0.push((file.to_owned(), text.to_owned()));
        Ok(())
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        for (file, text) in &self.0 {
            // One that another coordinator has written since is its own; one that is gone already is as good.
            if fs::read_to_string(file).is_ok_and(|found| found == *text) {
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// Why a coordinator did not start; every case is for its operator to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken or not allowed.
    #[error(
        "cannot listen on {address}: {source}; name another with --listen HOST:PORT, or HOST:0 for any free port"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The state folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of objects cannot be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// A study's log does not make sense.
    #[error("the store holds a log that cannot be replayed: {0}")]
    Replay(#[from] ReplayError),
}

/// Why a coordinator stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its address could not be written down.
    #[error("cannot write the address file: {0}")]
    Publish(io::Error),
    /// The protocol's description is broken: a fault of the build.
    #[error("gRPC reflection: {0}")]
    Reflection(tonic_reflection::server::Error),
    /// The store failed and could not be read again.
    #[error(transparent)]
    Store(StoreError),
    /// A fault of ours; the log has the trace.
    #[error("the driver panicked")]
    Panicked,
}
