//! A coordinator from start to stop.

use std::{
    fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use proto::v1::{
    access_service_server::AccessServiceServer, study_service_server::StudyServiceServer,
    worker_service_server::WorkerServiceServer,
};
use scheduler::ReplayError;
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::layer::util::{Identity, Stack};
use trust::{ADDRESS_FILE, Published};

use crate::{
    access::{self, Access, AccessError, GuardLayer, Opened, limits},
    blobs::{BlobError, Blobs},
    clock::Clock,
    driver::{self, Machine},
    grpc::{AccessServer, StudyServer, WorkerServer},
    settings::ServeSettings,
    store::{FolderError, SqliteStore, StateFolder, Store as _, StoreError},
};

/// How long open calls have to end once the coordinator stops.
const GRACE: Duration = Duration::from_secs(5);

/// A coordinator that has its folder, its store and its port, and has not begun.
#[derive(Debug)]
pub struct Server {
    settings: ServeSettings,
    folder: StateFolder,
    store: SqliteStore,
    blobs: Arc<Blobs>,
    machine: Machine,
    clock: Clock,
    opened: Opened,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the state folder and the port and replays the store. Nothing is left behind when it fails.
    pub async fn bind(settings: ServeSettings) -> Result<Self, StartError> {
        if settings.is_exposed() {
            return Err(StartError::Exposed(settings.listen));
        }
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
        if let Err(error) = blobs.delete_unnamed(&machine.named_objects()).await {
            tracing::warn!(%error, "objects without a name are left");
        }
        let opened = Opened::of(&settings, folder.path(), address)?;
        Ok(Self { settings, folder, store, blobs, machine, clock, opened, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may do what there.
    pub fn access(&self) -> &Arc<Access> {
        &self.opened.access
    }

    /// What programs of its own user on this machine need to reach it.
    pub fn published(&self) -> Published {
        let host = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Published {
            address: SocketAddr::new(host, self.address.port()).to_string(),
            pid: std::process::id(),
            token: self.opened.token.clone(),
            pin: self.opened.pin,
            of_command: self.settings.of_command,
        }
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
        let access = self.opened.access;
        let state = self.folder.path().to_owned();
        let studies = StudyServer::new(driver, state, self.blobs, tasks.clone(), shutdown.clone());
        let router = router(access, workers, studies).await?;
        tracing::info!(address = %self.address, state = %self.folder.path().display(), "coordinator started");

        let incoming = access::accept(self.listener, self.opened.speech, &tasks, shutdown.clone());
        let incoming = ReceiverStream::new(incoming);
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

type Router = tonic::transport::server::Router<Stack<GuardLayer, Identity>>;

async fn router(
    access: Arc<Access>,
    workers: WorkerServer,
    studies: StudyServer,
) -> Result<Router, RunError> {
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
        .max_decoding_message_size(proto::CONTROL_BYTES)
        .max_encoding_message_size(64 << 20);
    let accesses = AccessServiceServer::new(AccessServer::new(Arc::clone(&access)))
        .max_decoding_message_size(limits::ACCESS_BYTES)
        .max_encoding_message_size(proto::MESSAGE_BYTES);
    Ok(tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(limits::STREAMS)
        .http2_max_header_list_size(limits::HEADERS)
        .http2_max_pending_accept_reset_streams(Some(limits::PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(limits::LOCAL_RESETS))
        .initial_stream_window_size(limits::WINDOWS.0)
        .initial_connection_window_size(limits::WINDOWS.1)
        .layer(GuardLayer(access))
        .add_service(health_service)
        .add_service(reflection)
        .add_service(workers)
        .add_service(studies)
        .add_service(accesses))
}

/// The files that say where the coordinator is, and what they say; removed when it stops.
// Without `Debug`: one of them holds a secret.
struct Publication(Vec<(PathBuf, String)>);

impl Publication {
    fn write(server: &Server) -> Result<Self, RunError> {
        let state_file = server.folder.path().join(ADDRESS_FILE);
        server.published().write(&state_file).map_err(RunError::Publish)?;
        let written = fs::read_to_string(&state_file).map_err(RunError::Publish)?;
        let mut publication = Self(vec![(state_file, written)]);
        if let Some(file) = &server.settings.address_file {
            publication.put(file, &format!("{}\n", server.access().advertised()))?;
        }
        Ok(publication)
    }

    /// Writes a file whole, so that nobody reads half an address.
    fn put(&mut self, file: &Path, text: &str) -> Result<(), RunError> {
        whole(file, text).map_err(RunError::Publish)?;
        self.0.push((file.to_owned(), text.to_owned()));
        Ok(())
    }
}

/// Writes a file under a name of its own, then gives it this one.
fn whole(file: &Path, text: &str) -> io::Result<()> {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    let mut unfinished = tempfile::NamedTempFile::new_in(parent.unwrap_or_else(|| Path::new(".")))?;
    unfinished.write_all(text.as_bytes())?;
    // Temporary files are their owner's alone; an address is for whoever may read the folder.
    unfinished.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    unfinished.persist(file)?;
    Ok(())
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
    /// Others could reach it unprotected.
    #[error(
        "{0} can be reached from other machines, which needs TLS and tokens: leave out --no-tls and --no-auth, or listen \
         on 127.0.0.1 and let other machines in through a tunnel (ssh -L)"
    )]
    Exposed(SocketAddr),
    /// Nobody could be let in.
    #[error(transparent)]
    Access(#[from] AccessError),
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
