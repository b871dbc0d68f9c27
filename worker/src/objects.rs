//! Checkpoints, probabilities, data sets and initial weights between this machine's disk and the coordinator's store.

mod cache;
pub(crate) use cache::Cache;

mod transfer;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use common::{
    checkpoint::{Checkpoint, Digest},
    view::LeaseId,
};
use proto::v1 as pb;
use tokio::{
    sync::{Mutex, Semaphore, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tonic::{Code, Status};
use tracing::debug;
use trust::Link;

use crate::{backoff::Backoff, trainer::CheckpointFiles};

/// Slowest network that is waited for, in bytes per second.
const SLOWEST: u64 = 64 << 10;

/// Kibibytes that are sent at a time: many small objects, or one large one. Side by side on a slow line large ones would each be
/// slower than a coordinator waits for, and all of them be in memory.
const SENT_AT_A_TIME: u32 = 4 << 10;

/// Stores and fetches objects, over whatever connection there is.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    link: watch::Receiver<Option<Link>>,
    cache: Arc<Cache>,
    data: Arc<Cache>,
    /// Room for what is sent, in kibibytes.
    room: Arc<Semaphore>,
    /// Held while a data set or initial weights are fetched, each by its own: slots that wait for the same then find it.
    fetching: Arc<std::sync::Mutex<BTreeMap<Digest, Arc<Mutex<()>>>>>,
}

/// Why an object cannot be stored or fetched, now or ever.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    /// The coordinator does not want it, or does not have it.
    #[error("the coordinator answers: {}", .0.message())]
    Refused(Status),
    /// What came is not what the digest says.
    #[error("object {0} arrived damaged")]
    Damaged(Digest),
    /// This machine's disk.
    #[error("local disk: {0}")]
    Disk(#[from] io::Error),
}

impl ObjectError {
    /// Whether this machine is to blame, or its way to the coordinator, which checks what it gives out.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Disk(_))
    }

    /// Whether the coordinator no longer has the object as it was stored.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Refused(status) if matches!(status.code(), Code::NotFound | Code::DataLoss))
    }
}

/// An object before its name on the wire is made: whose it is and what it is.
#[derive(Debug, Clone, Copy)]
struct Object<'a> {
    lease: &'a LeaseId,
    epoch: u32,
    kind: pb::ObjectKind,
}

impl Object<'_> {
    fn name(&self, digest: Digest) -> pb::ObjectName {
        pb::ObjectName {
            study: self.lease.study.to_string(),
            trial: self.lease.trial.0,
            epoch: self.epoch,
            kind: self.kind.into(),
            digest: digest.to_string(),
        }
    }
}

impl Objects {
    /// Objects of the coordinator that `link` is connected to.
    pub(crate) fn new(link: watch::Receiver<Option<Link>>, cache: Cache, data: Cache) -> Self {
        let room = Arc::new(Semaphore::new(SENT_AT_A_TIME as usize));
        Self { link, cache: Arc::new(cache), data: Arc::new(data), room, fetching: Arc::default() }
    }

    /// Stores both files of a checkpoint; durable when it returns. Waits for as long as the coordinator is away.
    pub(crate) async fn store(
        &self,
        lease: &LeaseId,
        files: &CheckpointFiles,
    ) -> Result<Checkpoint, ObjectError> {
        let weights = Object { lease, epoch: files.epoch, kind: pb::ObjectKind::Weights };
        let state = Object { kind: pb::ObjectKind::State, ..weights };
        let (weights, state) =
            tokio::try_join!(self.put(weights, &files.weights), self.put(state, &files.state))?;
        Ok(Checkpoint { epoch: files.epoch, weights, state })
    }

    /// Stores an evaluation's probabilities, of one part.
    pub(crate) async fn store_probabilities(
        &self,
        lease: &LeaseId,
        (epoch, kind): (u32, pb::ObjectKind),
        path: &Path,
    ) -> Result<Digest, ObjectError> {
        self.put(Object { lease, epoch, kind }, path).await
    }

    /// Brings both files of a checkpoint into a folder, verified. Waits for as long as the coordinator is away.
    pub(crate) async fn fetch(
        &self,
        lease: &LeaseId,
        checkpoint: &Checkpoint,
        folder: &Path,
    ) -> Result<CheckpointFiles, ObjectError> {
        let weights = Object { lease, epoch: checkpoint.epoch, kind: pb::ObjectKind::Weights };
        let state = Object { kind: pb::ObjectKind::State, ..weights };
        let files = CheckpointFiles {
            epoch: checkpoint.epoch,
            weights: folder.join("resume-weights.safetensors"),
            state: folder.join("resume-state.safetensors"),
        };
        tokio::try_join!(
            self.get(weights, checkpoint.weights, &files.weights),
            self.get(state, checkpoint.state, &files.state)
        )?;
        Ok(files)
    }

    async fn put(&self, object: Object<'_>, path: &Path) -> Result<Digest, ObjectError> {
        // That this machine cannot read it needs no coordinator to be told.
        let there = path.to_owned();
        let size = blocking(move || std::fs::File::open(there)?.metadata()).await?.len();
        let room = u32::try_from(size >> 10).unwrap_or(u32::MAX).clamp(1, SENT_AT_A_TIME);
        let digest = self
            .retry("store", |channel| async move {
                // Nobody closes it.
                let _room = self.room.acquire_many(room).await;
                upload(channel, object, path).await
            })
            .await?;
        remember(&self.cache, digest, path.to_owned()).await;
        Ok(digest)
    }

    /// Brings a data set's object into a folder, verified. Waits for as long as the coordinator is away.
    pub(crate) async fn fetch_data(&self, digest: Digest, folder: &Path) -> Result<PathBuf, ObjectError> {
        let path = folder.join("data.safetensors");
        let turn = self.turn(digest);
        let _turn = turn.lock().await;
        self.bring(&self.data, digest, &path, |channel| transfer::get_data(channel, digest)).await?;
        Ok(path)
    }

    /// Brings the object of initial weights into a folder, verified. Waits for as long as the coordinator is away.
    pub(crate) async fn fetch_model(&self, digest: Digest, folder: &Path) -> Result<PathBuf, ObjectError> {
        let path = folder.join("initial.safetensors");
        let turn = self.turn(digest);
        let _turn = turn.lock().await;
        self.bring(&self.data, digest, &path, |channel| transfer::get_model(channel, digest)).await?;
        Ok(path)
    }

    /// What is held while an object is fetched that many slots may want at the same time.
    fn turn(&self, digest: Digest) -> Arc<Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(fetching.entry(digest).or_default())
    }

    async fn get(&self, object: Object<'_>, digest: Digest, path: &Path) -> Result<(), ObjectError> {
        self.bring(&self.cache, digest, path, |channel| transfer::get(channel, object.name(digest))).await
    }

    /// Makes an object appear at a path: from a cache, or else from the coordinator.
    async fn bring<F>(
        &self,
        cache: &Arc<Cache>,
        digest: Digest,
        path: &Path,
        transfer: impl Fn(Link) -> F,
    ) -> Result<(), ObjectError>
    where
        F: Future<Output = Result<Vec<u8>, Status>>,
    {
        let (here, to) = (cache.clone(), path.to_owned());
        if blocking(move || Ok(here.take(digest, &to))).await? {
            return Ok(());
        }
        let fetch = |channel| {
            let came = transfer(channel);
            async { came.await.map_err(ObjectError::Refused) }
        };
        let bytes = self.retry("fetch", fetch).await?;
        let to = path.to_owned();
        let intact = blocking(move || {
            let intact = Digest::of(&bytes) == digest;
            if intact {
                std::fs::write(to, &bytes)?;
            }
            Ok(intact)
        });
        if !intact.await? {
            return Err(ObjectError::Damaged(digest));
        }
        remember(cache, digest, path.to_owned()).await;
        Ok(())
    }

    /// Tries until it goes well or the coordinator says that it never will.
    async fn retry<T, F>(&self, what: &'static str, transfer: impl Fn(Link) -> F) -> Result<T, ObjectError>
    where
        F: Future<Output = Result<T, ObjectError>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        let mut link = self.link.clone();
        loop {
            let channel = match link.wait_for(Option::is_some).await {
                Ok(channel) => channel.clone(),
                Err(_) => return Err(ObjectError::Refused(Status::cancelled("the worker is leaving"))),
            };
            let Some(channel) = channel else { continue };
            match transfer(channel).await {
                Err(ObjectError::Refused(status)) if !is_final(status.code()) => {
                    debug!(what, reason = status.message(), "object transfer failed, trying again")
                }
                ended => return ended,
            }
            sleep(backoff.wait()).await;
        }
    }
}

/// Sends a file's bytes to the coordinator. They are read for each try, so that none are in memory while it is away.
async fn upload(channel: Link, object: Object<'_>, path: &Path) -> Result<Digest, ObjectError> {
    let path = path.to_owned();
    let bytes = Bytes::from(blocking(move || std::fs::read(path)).await?);
    let digest = Digest::of(&bytes);
    let header = pb::ObjectHeader {
        name: Some(object.name(digest)),
        size: bytes.len() as u64,
        lease: Some(object.lease.clone().into()),
    };
    let sent = timeout(patience(header.size), transfer::put(channel, header, bytes)).await;
    let sent = sent.unwrap_or_else(|_| Err(Status::deadline_exceeded("the upload took too long")));
    sent.map(|()| digest).map_err(ObjectError::Refused)
}

/// Keeps an object for later; a cache that does not work costs only time.
async fn remember(cache: &Arc<Cache>, digest: Digest, path: PathBuf) {
    let cache = cache.clone();
    if let Err(error) = blocking(move || cache.keep(digest, &path)).await {
        debug!(%error, "object not cached");
    }
}

/// Codes with which the coordinator says that the same call will never go well.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
    )
}

/// How long an upload may take: generous, but no call waits for ever.
fn patience(bytes: u64) -> Duration {
    Duration::from_secs(30 + bytes / SLOWEST)
}

/// Runs file work beside the runtime. A panic there is as good as a broken disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
