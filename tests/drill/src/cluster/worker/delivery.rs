//! Deliveries: what a trainer leaves is stored, and then told, in order.

use std::collections::{BTreeMap, VecDeque};

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::Evaluation,
    metrics::{CurvePoint, Metrics},
    view::LeaseId,
};
use coordinator::blobs::ObjectKey;
use worker::session::messages::News;

use crate::{
    calls::{Call, Reply},
    reference::scored,
    training::{Files, predictions},
    world::World,
};

/// Something about a lease that may have to be stored before it is told.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Checkpoint(Files),
    Finished { last: CurvePoint, best: Metrics, files: Files, early_stopped: bool },
    NotFinite(CurvePoint),
    Released(Option<Files>),
    Failed(String),
    Evaluated(Files),
}

/// One lease's way to the coordinator.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    waiting: VecDeque<Outcome>,
    /// What is being stored, and how many of its objects are not.
    storing: Option<(Outcome, usize)>,
    stored: Option<Checkpoint>,
}

impl Outcome {
    /// Whether it makes an earlier checkpoint of the same lease pointless.
    fn supersedes(&self) -> bool {
        !matches!(self, Self::Failed(_) | Self::Released(None))
    }

    fn files(&self) -> Option<&Files> {
        match self {
            Self::Checkpoint(files) | Self::Finished { files, .. } | Self::Released(Some(files)) => {
                Some(files)
            }
            _ => None,
        }
    }

    fn news(self) -> News {
        match self {
            Self::Checkpoint(files) => News::Checkpointed(files.checkpoint()),
            Self::Finished { last, best, files, early_stopped } => {
                News::Finished { last, best, checkpoint: files.checkpoint(), early_stopped, restored: None }
            }
            Self::NotFinite(last) => News::NotFinite { last },
            Self::Released(files) => News::Released { checkpoint: files.map(|files| files.checkpoint()) },
            Self::Failed(reason) => News::Failed { reason },
            Self::Evaluated(files) => {
                let [test, validation] = scored(&files);
                News::Evaluated { epoch: files.epoch, test, validation: Some(validation) }
            }
        }
    }

    /// The objects that must be stored first.
    fn objects(&self, lease: &LeaseId) -> Vec<(ObjectKey, Vec<u8>)> {
        let (study, trial) = (&lease.study, lease.trial);
        if let Some(files) = self.files() {
            let keys = ObjectKey::of_checkpoint(study, trial, &files.checkpoint());
            return keys.into_iter().zip([files.weights.clone(), files.state.clone()]).collect();
        }
        let Self::Evaluated(files) = self else { return Vec::new() };
        let [test, validation] = scored(files);
        let evaluation = Evaluation { epoch: files.epoch, test, validation: Some(validation) };
        ObjectKey::of_evaluation(study, trial, &evaluation).into_iter().zip(predictions(files)).collect()
    }
}

impl World {
    /// Hands an outcome to its lease's delivery; nobody listens where the lease was abandoned.
    pub(super) fn deliver(&mut self, index: usize, lease: &LeaseId, outcome: Outcome) {
        let Some(process) = &mut self.workers[index].process else { return };
        let Some(delivery) = process.deliveries.get_mut(lease) else { return };
        delivery.waiting.push_back(outcome);
        self.pump(index, lease);
    }

    /// Stores what waits, or tells what needs no storing.
    fn pump(&mut self, index: usize, lease: &LeaseId) {
        loop {
            let Some(process) = &mut self.workers[index].process else { return };
            let Some(delivery) = process.deliveries.get_mut(lease) else { return };
            if delivery.storing.is_some() {
                return;
            }
            let Some(outcome) = next(&mut delivery.waiting) else { return };
            let known = outcome.files().map(Files::checkpoint).is_some_and(|c| delivery.stored == Some(c));
            let objects = if known { Vec::new() } else { outcome.objects(lease) };
            if objects.is_empty() {
                self.tell(index, lease.clone(), outcome.news());
                continue;
            }
            delivery.storing = Some((outcome, objects.len()));
            for (key, bytes) in objects {
                self.call((index, lease.clone(), key), Some(bytes), None);
            }
            return;
        }
    }

    /// An upload has ended.
    pub(crate) fn put(&mut self, call: Call, reply: Reply) {
        let (index, lease) = (call.worker, call.lease);
        let Some(process) = &mut self.workers[index].process else { return };
        let Some(delivery) = process.deliveries.get_mut(&lease) else { return };
        if reply != Reply::Stored {
            let reason = "its result cannot be stored: refused".to_owned();
            self.tell(index, lease.clone(), News::Failed { reason });
            return self.stop_failed(index, &lease);
        }
        remember(&mut process.cache, call.key.digest, call.bytes);
        let Some((outcome, missing)) = &mut delivery.storing else { return };
        *missing -= 1;
        if *missing == 0 {
            let outcome = outcome.clone();
            delivery.storing = None;
            delivery.stored = outcome.files().map(Files::checkpoint).or(delivery.stored);
            self.tell(index, lease.clone(), outcome.news());
            self.pump(index, &lease);
        }
    }
}

fn remember(cache: &mut BTreeMap<Digest, Vec<u8>>, digest: Digest, bytes: Option<Vec<u8>>) {
    if let Some(bytes) = bytes {
        cache.insert(digest, bytes);
    }
}

/// The next outcome worth telling: newer checkpoints replace older ones that wait.
fn next(waiting: &mut VecDeque<Outcome>) -> Option<Outcome> {
    while let Some(Outcome::Checkpoint(_)) = waiting.front() {
        if !waiting.iter().skip(1).any(Outcome::supersedes) {
            break;
        }
        waiting.pop_front();
    }
    waiting.pop_front()
}
