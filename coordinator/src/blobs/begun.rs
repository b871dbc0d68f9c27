//! What is begun comes to its end.

use std::{panic::resume_unwind, sync::Arc};

use bytes::Bytes;
use common::checkpoint::Digest;
use object_store::path::Path as StorePath;
use tokio::task::JoinError;

use super::{BlobError, Blobs};

impl Blobs {
    /// Writes to the end, and one at a time at each place: two that write the same must not both count it.
    pub(super) async fn written(
        &self,
        path: StorePath,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(), BlobError> {
        let blobs = self.clone();
        let write = async move {
            let _turn = blobs.changing.at(&path).await;
            blobs.write(&path, digest, bytes).await
        };
        self.to_the_end(write).await
    }

    /// Reads an object that nobody else is reading, or shares it.
    pub(super) async fn fetched(&self, path: StorePath, digest: Digest) -> Result<Bytes, BlobError> {
        // Whoever comes for the same meanwhile finds it in memory.
        let turn = self.reading.at(&path).await;
        let memory = Arc::clone(self.outgoing(&path));
        if let Some(bytes) = memory.held(&path) {
            return Ok(bytes);
        }
        // Why it has no size is better told by reading it.
        let share = memory.share(self.size(&path).await.unwrap_or(0)).await;
        let blobs = self.clone();
        let read = async move {
            let _turn = turn;
            let bytes = blobs.read(&path, digest).await?;
            Ok(memory.keep(path, share, bytes))
        };
        self.to_the_end(read).await
    }

    /// Removes to the end, and one at a time at each place.
    pub(super) async fn removed(&self, path: StorePath) -> Result<(), BlobError> {
        let blobs = self.clone();
        let remove = async move {
            let _turn = blobs.changing.at(&path).await;
            blobs.outgoing(&path).forget(&path);
            blobs.remove(&path).await
        };
        self.to_the_end(remove).await
    }

    /// Waits for work that goes on where the wait does not.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, BlobError>> + Send + 'static,
    ) -> Result<T, BlobError> {
        match self.tasks.spawn(work).await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            // It is the caller's, as it would be without the task.
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(stopped)) => Err(object_store::Error::from(stopped).into()),
        }
    }
}
