//! Stored objects: checkpoints, class probabilities, data sets and weights, write-once, named by what they are and their
//! digest.

mod key;

mod quota;

mod turns;

mod memory;

mod ahead;

mod begun;

mod error;

#[cfg(test)]
pub(crate) mod gated;

#[cfg(test)]
mod tests;

pub use error::BlobError;
pub use key::{ObjectKey, ObjectKind};

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use common::{
    checkpoint::Digest,
    ids::{StudyId, TrialNumber},
};
use futures::TryStreamExt as _;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, path::Path as StorePath,
};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use ahead::{Ahead, Mark};
use error::is_unreadable;
use memory::{Memory, Share};
use quota::Quota;
use turns::Turns;

/// The folder of objects in a state folder.
pub(crate) const FOLDER: &str = "objects";

/// The folder of packed data sets among the objects: study ids are eight hexadecimal digits, so none is called so.
const DATA: &str = "datasets";

/// The folder of packed weights among the objects.
const MODELS: &str = "models";

/// Where a packed data set lies.
pub(crate) fn data_path(digest: Digest) -> StorePath {
    StorePath::from(format!("{DATA}/{digest}.safetensors"))
}

/// Where packed weights lie.
pub(crate) fn model_path(digest: Digest) -> StorePath {
    StorePath::from(format!("{MODELS}/{digest}.safetensors"))
}

/// The objects of a state folder; clones are the same objects.
///
/// What is begun comes to its end, whether or not anybody waits for it: the disk does not stop where a caller does, and what
/// it has done is counted. Calls therefore need a tokio runtime.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    state: PathBuf,
    folder: PathBuf,
    quota: Arc<Quota>,
    /// Told whenever there was no room.
    crowded: Arc<Notify>,
    /// Trials' objects on their way out.
    memory: Arc<Memory>,
    /// Trials' objects on their way in.
    arriving: Arc<Memory>,
    /// Data sets and weights on their way out, so that a large one keeps no checkpoint waiting.
    sets: Arc<Memory>,
    /// Data sets and weights on their way in.
    arriving_sets: Arc<Memory>,
    /// Objects that are stored or deleted now.
    changing: Arc<Turns>,
    /// Objects that are brought into memory now.
    reading: Arc<Turns>,
    ahead: Ahead,
    tasks: TaskTracker,
}

/// A stored object as a list of the store shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub key: ObjectKey,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub written_ms: i64,
}

impl Blobs {
    /// Opens the objects of a state folder, creating their folder where it is missing.
    pub fn open(state: &Path) -> Result<Self, BlobError> {
        let folder = state.join(FOLDER);
        std::fs::create_dir_all(&folder)
            .map_err(|source| BlobError::Folder { folder: folder.display().to_string(), source })?;
        // Syncing is off by default, but an event may name only what is on disk.
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self::over(state, Arc::new(store)))
    }

    /// The objects of a state folder in a store of it, which must sync what it is given before it answers.
    pub fn over(state: &Path, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            state: state.to_owned(),
            folder: state.join(FOLDER),
            quota: Arc::new(Quota::none()),
            crowded: Arc::default(),
            memory: Arc::new(Memory::new(memory::MAX_BYTES)),
            arriving: Arc::new(Memory::new(memory::MAX_BYTES)),
            sets: Arc::new(Memory::new(memory::MAX_BYTES)),
            arriving_sets: Arc::new(Memory::new(memory::MAX_BYTES)),
            changing: Arc::default(),
            reading: Arc::default(),
            ahead: Ahead::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// These objects, of which no more than `quota` bytes are stored. What is there already counts.
    pub async fn limited(self, quota: Option<u64>) -> Result<Self, BlobError> {
        let Some(most) = quota else { return Ok(self) };
        let stored = self.list(None).await?.iter().map(|object| object.size).sum();
        Ok(Self { quota: Arc::new(Quota::new(most, stored)), ..self })
    }

    /// Stores an object; durable when this returns. Bytes that do not have the key's digest are refused, and so is what
    /// the quota has no room for.
    pub async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BlobError> {
        self.written(key.path(), key.digest, bytes).await
    }

    /// Whether there is room for an object of so many bytes.
    pub fn has_room(&self, bytes: u64) -> Result<(), BlobError> {
        self.quota.has_room(bytes).inspect_err(|_| self.crowded.notify_one())
    }

    /// Waits until there was no room for something.
    pub(crate) async fn crowded(&self) {
        self.crowded.notified().await;
    }

    /// Waits until so many bytes of a trial's object that comes in may be in memory. Whoever waits holds no other object.
    pub(crate) async fn share(&self, bytes: u64) -> Share {
        self.arriving.share(bytes).await
    }

    /// Waits as [`share`](Self::share) does, for a data set or weights.
    pub(crate) async fn share_of_set(&self, bytes: u64) -> Share {
        self.arriving_sets.share(bytes).await
    }

    /// The memory that an object takes on its way out.
    fn outgoing(&self, path: &StorePath) -> &Arc<Memory> {
        let folder = path.parts().next();
        match folder.as_ref().map(AsRef::as_ref) {
            Some(DATA | MODELS) => &self.sets,
            _ => &self.memory,
        }
    }

    /// Keeps a study's objects out of what is found, until the mark is dropped: they are stored before the study is, and
    /// nobody may take them for superfluous meanwhile.
    pub(crate) fn mark(&self, study: &StudyId) -> Mark {
        self.ahead.mark(study.clone())
    }

    /// Reads an object and checks its digest. Waits until there is room for it in memory, which it takes until the last
    /// slice of it is dropped; whoever waits holds no other object.
    pub async fn get(&self, key: &ObjectKey) -> Result<Bytes, BlobError> {
        self.fetched(key.path(), key.digest).await
    }

    /// The size of an object in bytes.
    pub async fn size_of(&self, key: &ObjectKey) -> Result<u64, BlobError> {
        match self.store.head(&key.path()).await {
            Ok(found) => Ok(found.size),
            Err(object_store::Error::NotFound { .. }) => Err(BlobError::Missing(key.path().to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores a packed data set; durable when this returns.
    pub async fn put_data(&self, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        self.written(data_path(digest), digest, bytes).await
    }

    /// Reads a packed data set and checks its digest, as [`get`](Self::get) does.
    pub async fn get_data(&self, digest: Digest) -> Result<Bytes, BlobError> {
        self.fetched(data_path(digest), digest).await
    }

    /// Deletes a packed data set; one that is gone already is as good.
    pub async fn delete_data(&self, digest: Digest) -> Result<(), BlobError> {
        self.removed(data_path(digest)).await
    }

    /// Deletes an object; one that is gone already is as good.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError> {
        self.removed(key.path()).await
    }

    /// Stores packed weights; durable when this returns.
    pub async fn put_model(&self, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        self.written(model_path(digest), digest, bytes).await
    }

    /// Reads packed weights and checks their digest, as [`get`](Self::get) does.
    pub async fn get_model(&self, digest: Digest) -> Result<Bytes, BlobError> {
        self.fetched(model_path(digest), digest).await
    }

    /// Deletes packed weights; those that are gone already are as good.
    pub async fn delete_model(&self, digest: Digest) -> Result<(), BlobError> {
        self.removed(model_path(digest)).await
    }

    /// Deletes the packed data sets and weights that are not named: those of an addition that came to nothing, or of a removal
    /// that was cut short. For a start, when nobody adds any.
    pub(crate) async fn delete_unnamed(&self, named: &BTreeSet<StorePath>) -> Result<(), BlobError> {
        for folder in [DATA, MODELS] {
            for object in self.list(Some(&StorePath::from(folder))).await? {
                if !named.contains(&object.location) {
                    tracing::info!(object = %object.location, "an object without a name is deleted");
                    self.removed(object.location).await?;
                }
            }
        }
        Ok(())
    }

    async fn write(&self, path: &StorePath, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        if Digest::of(&bytes) != digest {
            return Err(BlobError::Damaged(path.to_string()));
        }
        let before = if self.quota.is_set() { self.size(path).await? } else { 0 };
        let room =
            self.quota.reserve(bytes.len() as u64, before).inspect_err(|_| self.crowded.notify_one())?;
        let size = bytes.len() as u64;
        // The same path always holds the same bytes, so writing it again is harmless.
        if let Err(error) = self.store.put(path, bytes.into()).await {
            // It may be there all the same, and then it counts.
            if self.size(path).await.is_ok_and(|found| found == size) {
                room.keep();
            }
            return Err(error.into());
        }
        room.keep();
        Ok(())
    }

    async fn read(&self, path: &StorePath, digest: Digest) -> Result<Bytes, BlobError> {
        let found = async { self.store.get(path).await?.bytes().await };
        match found.await {
            Ok(bytes) if Digest::of(&bytes) == digest => Ok(bytes),
            Ok(_) => Err(BlobError::Damaged(path.to_string())),
            Err(object_store::Error::NotFound { .. }) => Err(BlobError::Missing(path.to_string())),
            // The disk says itself that what it holds is lost: asking again would not bring it back.
            Err(error) if is_unreadable(&error) => Err(BlobError::Damaged(path.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, path: &StorePath) -> Result<(), BlobError> {
        let size = if self.quota.is_set() { self.size(path).await? } else { 0 };
        match self.store.delete(path).await {
            Ok(()) => self.quota.freed(size),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The size of what lies at a place; 0 where nothing does.
    async fn size(&self, path: &StorePath) -> Result<u64, BlobError> {
        match self.store.head(path).await {
            Ok(found) => Ok(found.size),
            Err(object_store::Error::NotFound { .. }) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an object is stored.
    pub async fn holds(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        match self.store.head(&key.path()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The objects of a trial.
    pub async fn of_trial(&self, study: &StudyId, trial: TrialNumber) -> Result<Vec<Found>, BlobError> {
        self.below(Some(StorePath::from(format!("{study}/{trial}")))).await
    }

    /// The objects of a study, or of all studies; those of studies that may begin in a moment are left out.
    pub async fn of_study(&self, study: Option<&StudyId>) -> Result<Vec<Found>, BlobError> {
        self.below(study.map(|study| StorePath::from(study.as_str()))).await
    }

    async fn below(&self, prefix: Option<StorePath>) -> Result<Vec<Found>, BlobError> {
        let listed = self.list(prefix.as_ref()).await?;
        // Asked after the list was made: all that is in it was stored by then.
        let ahead = self.ahead.studies();
        let found = listed.into_iter().filter_map(found);
        Ok(found.filter(|found| !ahead.contains(&found.key.study)).collect())
    }

    /// Bytes of all that is stored.
    pub async fn stored(&self) -> Result<u64, BlobError> {
        Ok(self.list(None).await?.iter().map(|object| object.size).sum())
    }

    async fn list(&self, prefix: Option<&StorePath>) -> Result<Vec<ObjectMeta>, BlobError> {
        match self.store.list(prefix).try_collect().await {
            Ok(objects) => Ok(objects),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes of all objects of a study.
    pub async fn bytes_of_study(&self, study: &StudyId) -> Result<u64, BlobError> {
        let objects = self.store.list(Some(&StorePath::from(study.as_str())));
        Ok(objects.map_ok(|object| object.size).try_fold(0, async |sum, size| Ok(sum + size)).await?)
    }

    /// Deletes all objects of a study.
    pub async fn delete_study(&self, study: &StudyId) -> Result<(), BlobError> {
        for object in self.list(Some(&StorePath::from(study.as_str()))).await? {
            self.removed(object.location).await?;
        }
        Ok(())
    }

    /// The state folder.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Where objects lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn found(object: ObjectMeta) -> Option<Found> {
    let key = ObjectKey::of_path(&object.location)?;
    Some(Found { key, size: object.size, written_ms: object.last_modified.timestamp_millis() })
}
