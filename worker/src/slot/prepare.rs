//! What a lease's work starts from is brought to this machine.

use std::path::Path;

use super::Slot;
use crate::{
    objects::ObjectError,
    session::{Assignment, messages::Work},
    trainer::{EvaluateTask, TrainTask, protocol::Command},
};

/// Why the work on a lease cannot begin.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Any worker would meet it: the attempt fails.
    Everywhere(String),
    /// This machine meets it, and others may not.
    Here(String),
    /// The coordinator has lost data or weights that many trials begin with, until somebody brings them back.
    InStore(String),
}

impl Obstacle {
    /// What keeps a checkpoint from this machine. If it is lost, the coordinator knows already: it has ended the lease
    /// that was to go on from it, or counts the evaluation's attempts.
    fn with_checkpoint(epoch: u32, error: &ObjectError) -> Self {
        let reason = format!("checkpoint of epoch {epoch}: {error}");
        if error.is_local() { Self::Here(reason) } else { Self::Everywhere(reason) }
    }

    /// What keeps data or weights from this machine that are in the store by a name.
    fn with_stored(what: &str, error: &ObjectError) -> Self {
        let reason = format!("{what}: {error}");
        if error.is_local() {
            Self::Here(reason)
        } else if error.is_lost() {
            Self::InStore(reason)
        } else {
            Self::Everywhere(reason)
        }
    }
}

impl Slot {
    /// Brings what the work starts from to this machine, and says what the trainer is to do.
    pub(super) async fn prepare(&self, assignment: &Assignment, folder: &Path) -> Result<Command, Obstacle> {
        let (grant, study) = (&assignment.grant, assignment.study.clone());
        let fetch = async |checkpoint| {
            let files = self.shared.objects.fetch(&grant.lease, checkpoint, folder).await;
            files.map_err(|error| Obstacle::with_checkpoint(checkpoint.epoch, &error))
        };
        let data = match study.data.object() {
            None => None,
            Some(digest) => {
                let fetched = self.shared.objects.fetch_data(digest, folder).await;
                let what = || format!("data set `{}`", study.data.name);
                Some(fetched.map_err(|error| Obstacle::with_stored(&what(), &error))?)
            }
        };
        // Whoever resumes has begun already.
        let initial = match (&grant.work, study.train.initial_object()) {
            (Work::Train { resume: None, .. }, Some(digest)) => {
                let fetched = self.shared.objects.fetch_model(digest, folder).await;
                Some(fetched.map_err(|error| Obstacle::with_stored("initial weights", &error))?)
            }
            _ => None,
        };
        let (hparams, scratch) = (grant.hparams.clone(), folder.to_owned());
        Ok(match &grant.work {
            Work::Train { from_epoch, to_epoch, resume } => Command::Train(TrainTask {
                study,
                hparams,
                trial_seed: grant.trial_seed,
                data_seed: grant.data_seed,
                from_epoch: *from_epoch,
                to_epoch: *to_epoch,
                resume: match resume {
                    Some(checkpoint) => Some(fetch(checkpoint).await?),
                    None => None,
                },
                checkpoint_every: self.shared.checkpoint_every,
                scratch,
                data,
                initial,
            }),
            Work::Evaluate { checkpoint } => {
                let checkpoint = fetch(checkpoint).await?;
                Command::Evaluate { task: EvaluateTask { study, hparams, checkpoint, data }, scratch }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use common::checkpoint::Digest;
    use tonic::Status;

    use super::*;

    #[test]
    fn the_trial_pays_for_what_any_worker_would_meet_alone() {
        let lost = [Status::not_found("gone"), Status::data_loss("damaged")].map(ObjectError::Refused);
        let refused = [Status::out_of_range("too large"), Status::permission_denied("stale")];
        let local = [ObjectError::Disk(io::Error::other("full")), ObjectError::Damaged(Digest::of(b""))];
        for error in &lost {
            assert!(matches!(Obstacle::with_stored("data", error), Obstacle::InStore(_)), "{error}");
            assert!(matches!(Obstacle::with_checkpoint(3, error), Obstacle::Everywhere(_)), "{error}");
        }
        for error in refused.map(ObjectError::Refused) {
            assert!(matches!(Obstacle::with_stored("data", &error), Obstacle::Everywhere(_)), "{error}");
            assert!(matches!(Obstacle::with_checkpoint(3, &error), Obstacle::Everywhere(_)), "{error}");
        }
        for error in &local {
            assert!(matches!(Obstacle::with_stored("data", error), Obstacle::Here(_)), "{error}");
            assert!(matches!(Obstacle::with_checkpoint(3, error), Obstacle::Here(_)), "{error}");
        }
    }
}
