//! Which stored objects nobody can ask for any more.

use std::collections::BTreeSet;

use common::{ids::StudyId, time::Timestamp};

use super::{super::live_study::LiveStudy, Machine};
use crate::blobs::{Found, ObjectKey};

impl Machine {
    /// Those of some objects that can be deleted now.
    ///
    /// Objects of studies that are not there count only where they are older than `started`, this coordinator's start: a
    /// study's objects may be copied before it is submitted. As long as that lasts, none of them is
    /// [found](crate::blobs::Blobs::of_study), whatever the date was when they were written. Finished studies are not
    /// judged here.
    pub fn garbage(&self, found: &[Found], started: Timestamp) -> Vec<ObjectKey> {
        let known: BTreeSet<&StudyId> = self.names.values().collect();
        let superfluous = |object: &&Found| match self.studies.get(&object.key.study) {
            Some(live) => !needs(live, &object.key),
            None => !known.contains(&object.key.study) && object.written_ms < started.0 as i64,
        };
        found.iter().filter(superfluous).map(|object| object.key.clone()).collect()
    }
}

/// Whether somebody may still ask for an object of an unfinished study.
fn needs(live: &LiveStudy, key: &ObjectKey) -> bool {
    let study = live.study();
    let Some(trial) = study.trial(key.trial) else { return false };
    let leased = study.lease(key.trial).is_some();
    if !key.kind.is_checkpoint() {
        // What a lease to evaluate has stored is named only at its end.
        let named = |evaluation| ObjectKey::of_evaluation(live.id(), key.trial, &evaluation).contains(key);
        return leased || trial.evaluation.is_some_and(named);
    }
    // So is a checkpoint that is newer than the newest that is named.
    let on_its_way = leased && key.epoch > trial.durable_epochs();
    let kept = study.kept(key.trial);
    on_its_way || kept.iter().any(|kept| ObjectKey::of_checkpoint(live.id(), key.trial, kept).contains(key))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use common::{checkpoint::Digest, ids::TrialNumber};

    use super::*;
    use crate::{blobs::ObjectKind, played::Played};

    #[tokio::test]
    async fn copies_for_a_study_that_is_being_submitted_are_no_garbage() {
        let played = Played::begin().await;
        let digest = Digest::of(b"copy");
        let study = "ffffffff".parse().unwrap();
        let key = ObjectKey { study, trial: TrialNumber(0), epoch: 1, kind: ObjectKind::Weights, digest };
        let mark = played.blobs.mark(&key.study);
        played.blobs.put(&key, Bytes::from_static(b"copy")).await.unwrap();
        // As where the date was set back: everything is older than the start.
        let started = Timestamp(u64::MAX / 2);
        let found = played.blobs.of_study(None).await.unwrap();
        assert_eq!(played.machine.garbage(&found, started), []);
        drop(mark);
        let found = played.blobs.of_study(None).await.unwrap();
        assert_eq!(played.machine.garbage(&found, started), [key]);
    }
}
