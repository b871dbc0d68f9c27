//! From what a trainer leaves on the local disk to what the coordinator is told.

use std::{collections::VecDeque, convert::Infallible, future, path::PathBuf};

use common::{
    checkpoint::Checkpoint,
    evaluation::Scored,
    metrics::{CurvePoint, Metrics},
    view::LeaseId,
};
use proto::v1 as pb;
use tokio::{
    fs,
    sync::mpsc::{Sender, UnboundedReceiver},
};
use tracing::warn;

use super::{Leash, health::Witness};
use crate::{
    event::Event,
    objects::{ObjectError, Objects},
    session::messages::{News, Report},
    trainer::{CheckpointFiles, PredictedFile},
};

/// Something about a lease that may have to be stored before it is told.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A checkpoint on the way.
    Checkpoint(CheckpointFiles),
    /// The work is done.
    Finished {
        last: CurvePoint,
        best: Metrics,
        checkpoint: CheckpointFiles,
        early_stopped: bool,
        restored: Option<Metrics>,
    },
    /// The objective is not finite.
    NotFinite(CurvePoint),
    /// The lease is handed back.
    Released(Option<CheckpointFiles>),
    /// The attempt failed.
    Failed(String),
    /// The evaluation is done.
    Evaluated { epoch: u32, test: PredictedFile, validation: Option<PredictedFile> },
}

impl Outcome {
    /// Whether it makes an earlier checkpoint of the same lease pointless: it brings a newer one, or needs none.
    fn supersedes(&self) -> bool {
        !matches!(self, Self::Failed(_) | Self::Released(None))
    }

    /// The files that it needs.
    fn files(&self) -> Option<&CheckpointFiles> {
        match self {
            Self::Checkpoint(files)
            | Self::Finished { checkpoint: files, .. }
            | Self::Released(Some(files)) => Some(files),
            _ => None,
        }
    }
}

/// One lease's way to the coordinator. It outlives the work, so that a trainer need not wait for the network.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) lease: LeaseId,
    pub(super) leash: Leash,
    /// The lease's folder; removed at the end.
    pub(super) folder: PathBuf,
    pub(super) objects: Objects,
    pub(super) events: Sender<Event>,
    pub(super) witness: Witness,
    /// The newest checkpoint that is stored, and the files it came from.
    pub(super) stored: Option<(CheckpointFiles, Checkpoint)>,
}

impl Delivery {
    /// Stores and tells outcomes in order, until there are no more or the lease is abandoned.
    pub(super) async fn run(mut self, outcomes: UnboundedReceiver<Outcome>) {
        let abandon = self.leash.abandon.clone();
        let mut queue = Queue { waiting: VecDeque::new(), outcomes };
        while let Some(outcome) = queue.next().await {
            let stored = tokio::select! {
                stored = abandon.run_until_cancelled(self.store(outcome)) => stored,
                never = queue.keep_up() => match never {},
            };
            let Some(stored) = stored else { break };
            let broken = stored.is_err();
            let news = stored.unwrap_or_else(|error| self.give_up(&error));
            if matches!(news, News::Checkpointed(_) | News::Finished { .. } | News::Evaluated { .. }) {
                self.witness.serves();
            }
            let report = Report { lease: self.lease.clone(), news };
            if self.events.send(Event::Reported(Box::new(report))).await.is_err() {
                break;
            }
            if broken {
                // A checkpoint that cannot be stored ends the lease while its trainer may still be at it.
                abandon.cancel();
                break;
            }
        }
        // The trainer may write here until the slot has dropped its end.
        while queue.outcomes.recv().await.is_some() {}
        if let Err(error) = fs::remove_dir_all(&self.folder).await {
            warn!(%error, folder = %self.folder.display(), "lease folder not removed");
        }
    }

    /// What is told where something cannot be stored. What this machine is to blame for is no failure of the trial.
    fn give_up(&self, error: &ObjectError) -> News {
        let reason = format!("its result cannot be stored: {error}");
        if !error.is_local() {
            return News::Failed { reason };
        }
        self.witness.fails(reason);
        News::Released { checkpoint: None }
    }

    async fn store(&mut self, outcome: Outcome) -> Result<News, ObjectError> {
        match outcome {
            Outcome::Checkpoint(files) => self.checkpoint(&files).await.map(News::Checkpointed),
            Outcome::Finished { last, best, checkpoint, early_stopped, restored } => self
                .checkpoint(&checkpoint)
                .await
                .map(|checkpoint| News::Finished { last, best, checkpoint, early_stopped, restored }),
            Outcome::NotFinite(last) => Ok(News::NotFinite { last }),
            Outcome::Released(None) => Ok(News::Released { checkpoint: None }),
            Outcome::Released(Some(files)) => self
                .checkpoint(&files)
                .await
                .map(|checkpoint| News::Released { checkpoint: Some(checkpoint) }),
            Outcome::Failed(reason) => Ok(News::Failed { reason }),
            Outcome::Evaluated { epoch, test, validation } => {
                self.evaluation(epoch, (&test, validation.as_ref())).await
            }
        }
    }

    /// Stores what an evaluation has predicted.
    async fn evaluation(
        &self,
        epoch: u32,
        (test, validation): (&PredictedFile, Option<&PredictedFile>),
    ) -> Result<News, ObjectError> {
        let kinds = (pb::ObjectKind::Probabilities, pb::ObjectKind::ValidationProbabilities);
        let test = self.scored(epoch, kinds.0, test).await?;
        let validation = match validation {
            Some(validation) => Some(self.scored(epoch, kinds.1, validation).await?),
            None => None,
        };
        Ok(News::Evaluated { epoch, test, validation })
    }

    /// Stores what was predicted for one part.
    async fn scored(
        &self,
        epoch: u32,
        kind: pb::ObjectKind,
        predicted: &PredictedFile,
    ) -> Result<Scored, ObjectError> {
        let file = &predicted.probabilities;
        let digest = self.objects.store_probabilities(&self.lease, (epoch, kind), file).await?;
        Ok(Scored { metrics: predicted.metrics, probabilities: Some(digest) })
    }

    /// Stores a checkpoint, once: a trainer may end with the files that it has told of before.
    async fn checkpoint(&mut self, files: &CheckpointFiles) -> Result<Checkpoint, ObjectError> {
        if let Some((_, checkpoint)) = self.stored.iter().find(|(stored, _)| stored == files) {
            return Ok(*checkpoint);
        }
        let checkpoint = self.objects.store(&self.lease, files).await?;
        let before = self.stored.replace((files.clone(), checkpoint));
        if let Some((files, _)) = before {
            remove(files).await;
        }
        Ok(checkpoint)
    }
}

/// Outcomes on their way. One may wait for hours for the network, or for room in the cluster, while its trainer writes on.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Outcome>,
    outcomes: UnboundedReceiver<Outcome>,
}

impl Queue {
    /// The next outcome worth telling.
    async fn next(&mut self) -> Option<Outcome> {
        if self.waiting.is_empty() {
            self.waiting.push_back(self.outcomes.recv().await?);
        }
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.waiting.push_back(outcome);
        }
        self.thin().await;
        self.waiting.pop_front()
    }

    /// Takes what comes for as long as it is polled, so that what newer checkpoints replace does not fill the disk.
    async fn keep_up(&mut self) -> Infallible {
        while let Some(outcome) = self.outcomes.recv().await {
            self.waiting.push_back(outcome);
            self.thin().await;
        }
        future::pending().await
    }

    /// Forgets checkpoints that later outcomes have made pointless, and their files, if no later outcome names them again.
    async fn thin(&mut self) {
        let mut at = 0;
        while let Some(outcome) = self.waiting.get(at) {
            let later = self.waiting.range(at + 1..);
            if !matches!(outcome, Outcome::Checkpoint(_)) || !later.clone().any(Outcome::supersedes) {
                at += 1;
                continue;
            }
            let named = later.clone().any(|later| later.files() == outcome.files());
            if let Some(Outcome::Checkpoint(files)) = self.waiting.remove(at)
                && !named
            {
                remove(files).await;
            }
        }
    }
}

/// Removes a checkpoint's files. Only for the space: the lease's whole folder goes at the end.
async fn remove(files: CheckpointFiles) {
    for file in [files.weights, files.state] {
        drop(fs::remove_file(file).await);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{
        mpsc::{channel, unbounded_channel},
        watch,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        objects::Cache,
        session::tests::lease,
        slot::health::{Condition, Health},
    };

    fn files(epoch: u32) -> CheckpointFiles {
        CheckpointFiles { epoch, weights: PathBuf::new(), state: PathBuf::new() }
    }

    async fn told(outcomes: impl IntoIterator<Item = Outcome>) -> Vec<String> {
        let (sender, received) = unbounded_channel();
        outcomes.into_iter().for_each(|outcome| sender.send(outcome).unwrap());
        drop(sender);
        let mut queue = Queue { waiting: VecDeque::new(), outcomes: received };
        let mut told = Vec::new();
        while let Some(outcome) = queue.next().await {
            told.push(match outcome {
                Outcome::Checkpoint(files) => format!("checkpoint {}", files.epoch),
                Outcome::Failed(reason) => reason,
                other => format!("{other:?}"),
            });
        }
        told
    }

    #[tokio::test]
    async fn only_the_newest_waiting_checkpoint_is_stored() {
        assert_eq!(told([1, 2, 3].map(|epoch| Outcome::Checkpoint(files(epoch)))).await, ["checkpoint 3"]);
    }

    /// While one waits to be stored, a trainer writes on: its disk has to hold the newest alone.
    #[tokio::test]
    async fn what_newer_checkpoints_replace_leaves_the_disk_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let written = |epoch: u32| {
            let [weights, state] =
                ["weights", "state"].map(|kind| folder.path().join(format!("{epoch}-{kind}")));
            for file in [&weights, &state] {
                std::fs::write(file, "").unwrap();
            }
            CheckpointFiles { epoch, weights, state }
        };
        let (sender, outcomes) = unbounded_channel();
        let mut queue = Queue { waiting: VecDeque::new(), outcomes };
        for epoch in [1, 2, 3] {
            sender.send(Outcome::Checkpoint(written(epoch))).unwrap();
        }
        // Handed back at its last checkpoint, which it has told of before.
        let last = written(3);
        sender.send(Outcome::Released(Some(last.clone()))).unwrap();
        let kept_up = tokio::time::timeout(std::time::Duration::from_millis(200), queue.keep_up()).await;
        assert!(kept_up.is_err());
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [last.state, last.weights]);
        assert!(matches!(queue.next().await, Some(Outcome::Released(Some(files))) if files.epoch == 3));
        assert!(queue.waiting.is_empty());
    }

    #[tokio::test]
    async fn a_checkpoint_that_this_machine_cannot_read_hands_the_lease_back() {
        let folder = tempfile::tempdir().unwrap();
        let (events, mut told) = channel(4);
        let (_connection, link) = watch::channel(None);
        let [objects, data] = [Cache::objects, Cache::data].map(|cache| cache(folder.path().to_owned()));
        let (abandon, mut health) = (CancellationToken::new(), Health::new());
        let delivery = Delivery {
            lease: lease(4, 1),
            leash: Leash { hand_back: abandon.child_token(), abandon: abandon.clone() },
            folder: folder.path().join("lease"),
            objects: Objects::new(link, objects, data),
            events,
            witness: health.witness(),
            stored: None,
        };
        let (sender, outcomes) = unbounded_channel();
        sender.send(Outcome::Checkpoint(files(2))).unwrap();
        drop(sender);
        delivery.run(outcomes).await;
        let Some(Event::Reported(report)) = told.recv().await else { panic!("nothing is told") };
        assert_eq!(report.news, News::Released { checkpoint: None });
        assert!(abandon.is_cancelled() && told.recv().await.is_none());
        assert!(matches!(health.condition(), Condition::Failing(_)));
    }

    #[tokio::test]
    async fn a_failed_attempt_still_leaves_its_checkpoint() {
        let failed = Outcome::Failed("killed".to_owned());
        assert_eq!(told([Outcome::Checkpoint(files(2)), failed]).await, ["checkpoint 2", "killed"]);
    }
}
