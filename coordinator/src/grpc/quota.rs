//! How much each study has stored, so that no worker fills the disk.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use common::ids::StudyId;
use tonic::Status;

use super::status;
use crate::{access::limits, blobs::Blobs};

/// Bytes of each study's objects, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Quota(Arc<Mutex<BTreeMap<StudyId, u64>>>);

impl Quota {
    /// Counts an object that is about to be stored; refuses it where its study would have too much. What was deleted
    /// meanwhile is found out before anything is refused.
    pub(super) async fn take(&self, blobs: &Blobs, study: &StudyId, size: u64) -> Result<(), Status> {
        if self.fits(study, size) {
            return Ok(());
        }
        let stored = blobs.bytes_of_study(study).await.map_err(|error| status::blob(&error))?;
        self.counts().insert(study.clone(), stored);
        if self.fits(study, size) {
            return Ok(());
        }
        let most = limits::STUDY_BYTES;
        Err(Status::resource_exhausted(format!(
            "study {study} has {stored} bytes of objects, and {most} are the most"
        )))
    }

    /// Counts so many bytes where that is known to be allowed.
    fn fits(&self, study: &StudyId, size: u64) -> bool {
        let mut counts = self.counts();
        match counts.get_mut(study) {
            Some(count) if *count + size <= limits::STUDY_BYTES => {
                *count += size;
                true
            }
            _ => false,
        }
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<StudyId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_study_has_so_much_and_no_more() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let (quota, study) = (Quota::default(), "0a1b2c3d".parse().unwrap());
        quota.take(&blobs, &study, 7).await.unwrap();
        // Nothing is stored, so the whole is free again once it is looked at.
        quota.take(&blobs, &study, limits::STUDY_BYTES).await.unwrap();
        let refused = quota.take(&blobs, &study, limits::STUDY_BYTES + 1).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    }
}
