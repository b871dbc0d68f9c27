//! Trials that a submitted study takes over from its parent: their checkpoints become its own.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use common::{
    ids::{StudyId, TrialNumber},
    study::StudySpec,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::status;
use crate::{
    blobs::{BlobError, Blobs, ObjectKey},
    driver::{Answer, Driver, OnConflict, Refused, Request},
};

/// A submission of a study that takes trials over.
///
/// Their checkpoints are stored before the study is, because its first events name them: copies, so that it needs its
/// parent no more. They are removed where it is certain that the study did not begin.
#[derive(Debug)]
pub(super) struct Adoption {
    pub(super) driver: Driver,
    pub(super) blobs: Arc<Blobs>,
    pub(super) id: StudyId,
    pub(super) spec: StudySpec,
    pub(super) on_conflict: OnConflict,
}

impl Adoption {
    /// Copies and submits. To be run by a task of its own, so that copies are removed also where the caller has gone: then
    /// `gone` is cancelled, and nothing is submitted any more.
    pub(super) async fn submit(self, gone: CancellationToken) -> Result<Answer, Status> {
        let Self { driver, blobs, id, spec, on_conflict } = self;
        // As long as the driver does not know the study, its objects belong to nobody.
        let _mark = blobs.mark(&id);
        if let Err(status) = copy(&blobs, (&id, &spec), &gone).await {
            remove(&blobs, &id).await;
            return Err(status);
        }
        let submit = Request::Submit { id: id.clone(), spec: Box::new(spec), on_conflict };
        let answer = driver.ask(submit).await;
        if is_without_study(&answer) {
            remove(&blobs, &id).await;
        }
        answer.map_err(|error| status::refused(&error))
    }
}

/// Whether it is certain that the study did not begin. Where the store failed, or nobody answered, it may be stored: its
/// copies stay, and the look at the next start removes those of a study that is not there.
fn is_without_study(answer: &Result<Answer, Refused>) -> bool {
    match answer {
        // The study that goes on has copies of its own.
        Ok(answer) => matches!(answer, Answer::Submitted { resumed: true, .. }),
        Err(Refused::Store(_) | Refused::Stopping) => false,
        Err(_) => true,
    }
}

/// An object that is taken over, and the parent's trial that it belongs to.
struct Taken {
    trial: TrialNumber,
    from: ObjectKey,
    to: ObjectKey,
}

async fn copy(
    blobs: &Blobs,
    (study, spec): (&StudyId, &StudySpec),
    gone: &CancellationToken,
) -> Result<(), Status> {
    let Some(parent) = &spec.parent else { return Ok(()) };
    let copies = copies(parent, study, spec);
    let lost = |copy: &Taken, error: BlobError| match error {
        BlobError::Missing(_) => no_checkpoint(parent, copy.trial),
        error => status::blob(&error),
    };
    let mut wanted = 0;
    for copy in &copies {
        wanted += blobs.size_of(&copy.from).await.map_err(|error| lost(copy, error))?;
    }
    blobs.has_room(wanted).map_err(|error| status::blob(&error))?;
    for copy in &copies {
        let bytes = tokio::select! {
            bytes = blobs.get(&copy.from) => bytes.map_err(|error| lost(copy, error))?,
            () = gone.cancelled() => return Err(nobody()),
        };
        // Waited for in any case: what is still being written could not be removed.
        blobs.put(&copy.to, bytes).await.map_err(|error| status::blob(&error))?;
    }
    if gone.is_cancelled() { Err(nobody()) } else { Ok(()) }
}

fn copies(parent: &StudyId, study: &StudyId, spec: &StudySpec) -> Vec<Taken> {
    let mut copies = Vec::new();
    for (number, listed) in (0..).map(TrialNumber).zip(spec.scheduler.listed()) {
        let Some(trained) = &listed.trained else { continue };
        let (trial, checkpoint) = (trained.trial, trained.checkpoint());
        let from = ObjectKey::of_checkpoint(parent, trial, &checkpoint);
        let to = ObjectKey::of_checkpoint(study, number, &checkpoint);
        copies.extend(from.into_iter().zip(to).map(|(from, to)| Taken { trial, from, to }));
    }
    copies
}

async fn remove(blobs: &Blobs, study: &StudyId) {
    if let Err(error) = blobs.delete_study(study).await {
        tracing::warn!(%study, %error, "copies for a study that did not begin are left");
    }
}

fn no_checkpoint(parent: &StudyId, trial: TrialNumber) -> Status {
    Status::failed_precondition(format!(
        "trial {trial} of study {parent} has no such checkpoint any more: `--from seeds` trains members anew"
    ))
}

fn nobody() -> Status {
    Status::cancelled("whoever submitted the study has gone")
}
