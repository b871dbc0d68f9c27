//! Stored objects: checkpoints, class probabilities, data sets and weights, write-once, named by what they are and their digest.

use std::path::Path;

use bytes::Bytes;
use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::Evaluation,
    ids::{StudyId, TrialNumber},
};
use futures::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, local::LocalFileSystem, path::Path as StorePath};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A checkpoint's parameters and buffers, safetensors.
    Weights,
    /// A checkpoint's optimizer state and counters, safetensors.
    State,
    /// Class probabilities on the test part, little-endian f32.
    Probabilities,
    /// Class probabilities on the validation part, little-endian f32.
    ValidationProbabilities,
}

/// An object's name, from which alone its place in the store follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The study.
    pub study: StudyId,
    /// The trial.
    pub trial: TrialNumber,
    /// Epochs trained when it was taken.
    pub epoch: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl ObjectKey {
    /// The two objects of a checkpoint: weights, then state.
    pub fn of_checkpoint(study: &StudyId, trial: TrialNumber, checkpoint: &Checkpoint) -> [Self; 2] {
        let key = |kind, digest| Self { study: study.clone(), trial, epoch: checkpoint.epoch, kind, digest };
        [key(ObjectKind::Weights, checkpoint.weights), key(ObjectKind::State, checkpoint.state)]
    }

    /// The stored probabilities of an evaluation: the test part's, then the validation part's.
    pub fn of_evaluation(study: &StudyId, trial: TrialNumber, evaluation: &Evaluation) -> Vec<Self> {
        let parts = [
            (ObjectKind::Probabilities, evaluation.test.probabilities),
            (ObjectKind::ValidationProbabilities, evaluation.validation.and_then(|part| part.probabilities)),
        ];
        let epoch = evaluation.epoch;
        let key = |(kind, digest): (ObjectKind, Option<Digest>)| {
            Some(Self { study: study.clone(), trial, epoch, kind, digest: digest? })
        };
        parts.into_iter().filter_map(key).collect()
    }

    fn path(&self) -> StorePath {
        let (kind, end) = match self.kind {
            ObjectKind::Weights => ("weights", "safetensors"),
            ObjectKind::State => ("state", "safetensors"),
            ObjectKind::Probabilities => ("probabilities", "f32"),
            ObjectKind::ValidationProbabilities => ("validation", "f32"),
        };
        StorePath::from(format!("{}/{}/{}-{kind}-{}.{end}", self.study, self.trial, self.epoch, self.digest))
    }
}

/// Where a packed data set lies: study ids are eight hexadecimal digits, so none is `datasets`.
fn data_path(digest: Digest) -> StorePath {
    StorePath::from(format!("datasets/{digest}.safetensors"))
}

/// Where packed weights lie.
fn model_path(digest: Digest) -> StorePath {
    StorePath::from(format!("models/{digest}.safetensors"))
}

/// The objects of a state folder.
#[derive(Debug)]
pub struct Blobs {
    store: LocalFileSystem,
}

impl Blobs {
    /// Opens the objects of a state folder, creating their folder where it is missing.
    pub fn open(state: &Path) -> Result<Self, BlobError> {
        let folder = state.join("objects");
        std::fs::create_dir_all(&folder)
            .map_err(|source| BlobError::Folder { folder: folder.display().to_string(), source })?;
        // Syncing is off by default, but an event may name only what is on disk.
        Ok(Self {
            store: LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true),
        })
    }

    /// Stores an object; durable when this returns. Bytes that do not have the key's digest are refused.
    pub async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BlobError> {
        self.write(&key.path(), key.digest, bytes).await
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
        self.delete(&data_path(digest)).await
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
        self.delete(&model_path(digest)).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), BlobError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn write(&self, path: &StorePath, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        if Digest::of(&bytes) != digest {
            return Err(BlobError::Damaged(path.to_string()));
        }
        // The same path always holds the same bytes, so writing it again is harmless.
        self.store.put(path, bytes.into()).await?;
        Ok(())
    }

    async fn read(&self, path: &StorePath, digest: Digest) -> Result<Bytes, BlobError> {
        let bytes = match self.store.get(path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Err(BlobError::Missing(path.to_string())),
            Err(error) => return Err(error.into()),
        };
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(BlobError::Damaged(path.to_string())) }
    }

    /// Whether an object is stored.
    pub async fn holds(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        match self.store.head(&key.path()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes all objects of a study.
    pub async fn delete_study(&self, study: &StudyId) -> Result<(), BlobError> {
        let objects = self.store.list(Some(&StorePath::from(study.as_str())));
        let paths: Vec<_> = objects.map_ok(|object| object.location).try_collect().await?;
        for path in paths {
            self.store.delete(&path).await?;
        }
        Ok(())
    }
}

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not there.
    #[error("object {0} is not stored")]
    Missing(String),
    /// Its bytes are not those that its name promises.
    #[error("object {0} is damaged: its bytes do not have the digest in its name")]
    Damaged(String),
    /// The folder cannot be made.
    #[error("folder {folder} cannot be made: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk or the service failed.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
}

#[cfg(test)]
mod tests {
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
