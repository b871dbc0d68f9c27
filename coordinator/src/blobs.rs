//! Stored objects: checkpoints, class probabilities, data sets and weights, write-once, named by what they are and their
//! digest.

mod key;

mod quota;

mod error;

pub use error::BlobError;
pub use key::{ObjectKey, ObjectKind};

use std::{
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

use error::is_unreadable;
use quota::Quota;

/// The folder of objects in a state folder.
pub(crate) const FOLDER: &str = "objects";

/// Where a packed data set lies: study ids are eight hexadecimal digits, so none is `datasets`.
pub(crate) fn data_path(digest: Digest) -> StorePath {
    StorePath::from(format!("datasets/{digest}.safetensors"))
}

/// Where packed weights lie.
pub(crate) fn model_path(digest: Digest) -> StorePath {
    StorePath::from(format!("models/{digest}.safetensors"))
}

/// The objects of a state folder.
#[derive(Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    state: PathBuf,
    folder: PathBuf,
    quota: Quota,
    /// Told whenever there was no room.
    crowded: Notify,
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
        let (state, folder) = (state.to_owned(), state.join(FOLDER));
        Self { store, state, folder, quota: Quota::none(), crowded: Notify::new() }
    }

    /// The same, taking no more than so many bytes. What is there already counts.
    pub async fn limited(self, quota: Option<u64>) -> Result<Self, BlobError> {
        let Some(most) = quota else { return Ok(self) };
        let stored = self.list(None).await?.iter().map(|object| object.size).sum();
        Ok(Self { quota: Quota::new(most, stored), ..self })
    }

    /// Stores an object; durable when this returns. Bytes that do not have the key's digest are refused, and so is what
    /// the quota has no room for.
    pub async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BlobError> {
        self.write(&key.path(), key.digest, bytes).await
    }

    /// Whether there is room for an object of so many bytes.
    pub fn has_room(&self, bytes: u64) -> Result<(), BlobError> {
        self.quota.has_room(bytes).inspect_err(|_| self.crowded.notify_one())
    }

    /// Waits until there was no room for something.
    pub(crate) async fn crowded(&self) {
        self.crowded.notified().await;
    }

    /// Reads an object and checks its digest.
    pub async fn get(&self, key: &ObjectKey) -> Result<Bytes, BlobError> {
        self.read(&key.path(), key.digest).await
    }

    /// Stores a packed data set; durable when this returns.
    pub async fn put_data(&self, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        self.write(&data_path(digest), digest, bytes).await
    }

    /// Reads a packed data set and checks its digest.
    pub async fn get_data(&self, digest: Digest) -> Result<Bytes, BlobError> {
        self.read(&data_path(digest), digest).await
    }

    /// Deletes a packed data set; one that is gone already is as good.
    pub async fn delete_data(&self, digest: Digest) -> Result<(), BlobError> {
        self.remove(&data_path(digest)).await
    }

    /// Deletes an object; one that is gone already is as good.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError> {
        self.remove(&key.path()).await
    }

    /// Stores packed weights; durable when this returns.
    pub async fn put_model(&self, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        self.write(&model_path(digest), digest, bytes).await
    }

    /// Reads packed weights and checks their digest.
    pub async fn get_model(&self, digest: Digest) -> Result<Bytes, BlobError> {
        self.read(&model_path(digest), digest).await
    }

    /// Deletes packed weights; those that are gone already are as good.
    pub async fn delete_model(&self, digest: Digest) -> Result<(), BlobError> {
        self.remove(&model_path(digest)).await
    }

    async fn write(&self, path: &StorePath, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        if Digest::of(&bytes) != digest {
            return Err(BlobError::Damaged(path.to_string()));
        }
        let before = if self.quota.is_set() { self.size(path).await? } else { 0 };
        let room =
            self.quota.reserve(bytes.len() as u64, before).inspect_err(|_| self.crowded.notify_one())?;
        // The same path always holds the same bytes, so writing it again is harmless.
        self.store.put(path, bytes.into()).await?;
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
        let prefix = StorePath::from(format!("{study}/{trial}"));
        Ok(self.list(Some(&prefix)).await?.into_iter().filter_map(found).collect())
    }

    /// The objects of a study, or of all studies.
    pub async fn of_study(&self, study: Option<&StudyId>) -> Result<Vec<Found>, BlobError> {
        let prefix = study.map(|study| StorePath::from(study.as_str()));
        Ok(self.list(prefix.as_ref()).await?.into_iter().filter_map(found).collect())
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
            self.remove(&object.location).await?;
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

#[cfg(test)]
mod tests {
    use common::ids::TrialNumber;

    use super::*;

    fn key(bytes: &[u8]) -> ObjectKey {
        ObjectKey {
            study: "0a1b2c3d".parse().unwrap(),
            trial: TrialNumber(3),
            epoch: 9,
            kind: ObjectKind::Weights,
            digest: Digest::of(bytes),
        }
    }

    #[tokio::test]
    async fn what_is_put_is_got_until_its_study_is_deleted() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let key = key(b"weights");
        blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap();
        assert_eq!(blobs.get(&key).await.unwrap(), "weights");
        blobs.delete_study(&key.study).await.unwrap();
        assert!(matches!(blobs.get(&key).await, Err(BlobError::Missing(_))));
    }

    #[tokio::test]
    async fn data_sets_lie_beside_studies() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let digest = Digest::of(b"data");
        assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
        assert!(blobs.put_data(digest, Bytes::from_static(b"dato")).await.is_err());
        blobs.put_data(digest, Bytes::from_static(b"data")).await.unwrap();
        assert_eq!(blobs.get_data(digest).await.unwrap(), "data");
        blobs.delete_data(digest).await.unwrap();
        blobs.delete_data(digest).await.unwrap();
        assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
    }

    #[test]
    fn objects_are_synced_before_they_are_named() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        assert!(format!("{:?}", blobs.store).contains("fsync: true"), "{:?}", blobs.store);
    }

    #[tokio::test]
    async fn weights_lie_beside_data_sets() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let digest = Digest::of(b"weights");
        assert!(blobs.put_model(digest, Bytes::from_static(b"weighs")).await.is_err());
        blobs.put_model(digest, Bytes::from_static(b"weights")).await.unwrap();
        assert_eq!(blobs.get_model(digest).await.unwrap(), "weights");
        assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
        blobs.delete_model(digest).await.unwrap();
        blobs.delete_model(digest).await.unwrap();
        assert!(matches!(blobs.get_model(digest).await, Err(BlobError::Missing(_))));
    }

    #[tokio::test]
    async fn damaged_bytes_are_neither_stored_nor_returned() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let key = key(b"weights");
        assert!(matches!(blobs.put(&key, Bytes::from_static(b"weighs")).await, Err(BlobError::Damaged(_))));
        blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap();
        let file = state.path().join("objects").join(key.path().as_ref());
        std::fs::write(file, b"weightz").unwrap();
        assert!(matches!(blobs.get(&key).await, Err(BlobError::Damaged(_))));
    }
}
