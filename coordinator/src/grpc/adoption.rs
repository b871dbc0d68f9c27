//! Trials that a submitted study takes over from its parent: their checkpoints become its own.

use common::{
    ids::{StudyId, TrialNumber},
    study::StudySpec,
};
use tonic::Status;

use super::status;
use crate::blobs::{BlobError, Blobs, ObjectKey};

/// Copies the checkpoints of the parent's trials that a study lists, so that it needs its parent no more. They are
/// stored before the study is, because its first events name them.
pub(super) async fn copy(blobs: &Blobs, study: &StudyId, spec: &StudySpec) -> Result<(), Status> {
    let Some(parent) = spec.parent.as_ref().filter(|_| spec.is_adopted()) else { return Ok(()) };
    for (number, listed) in (0..).map(TrialNumber).zip(spec.scheduler.listed()) {
        let Some(trained) = &listed.trained else { continue };
        let checkpoint = trained.checkpoint();
        let from = ObjectKey::of_checkpoint(parent, trained.trial, &checkpoint);
        let to = ObjectKey::of_checkpoint(study, number, &checkpoint);
        for (from, to) in from.iter().zip(&to) {
            let bytes = match blobs.get(from).await {
                Ok(bytes) => bytes,
                Err(BlobError::Missing(_)) => return Err(gone(parent, trained.trial)),
                Err(error) => return Err(status::blob(&error)),
            };
            blobs.put(to, bytes).await.map_err(|error| status::blob(&error))?;
        }
    }
    Ok(())
}

fn gone(parent: &StudyId, trial: TrialNumber) -> Status {
    Status::failed_precondition(format!(
        "trial {trial} of study {parent} has no such checkpoint any more: `--from seeds` trains members anew"
    ))
}
