//! What was asked for, what came out, and who did the work.

use std::collections::BTreeMap;

use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::{StudyId, StudyName, TrialNumber, WorkerId},
    metrics::{Goal, Metric, TestMetrics},
    study::StudySpec,
    trial::TrialState,
    view::{DeviceFacts, EndReason, StudyPhase},
};
use serde::Serialize;

use super::Subject;

/// A study in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Header {
    pub(super) study: StudyName,
    pub(super) id: StudyId,
    pub(super) phase: StudyPhase,
    pub(super) complete: bool,
    pub(super) end_reason: Option<EndReason>,
    pub(super) metric: Metric,
    pub(super) goal: Goal,
    pub(super) best: BestTrial,
    /// What the study recorded of its evaluation.
    pub(super) test: Option<TestMetrics>,
    /// How often a checkpoint was measured on the test part: of `evaluate: all` once for each trial.
    pub(super) test_touches: u32,
    pub(super) planned_trials: u32,
    pub(super) states: BTreeMap<&'static str, u32>,
    pub(super) epochs: u64,
    pub(super) planned_epochs: u64,
    pub(super) created: String,
    pub(super) finished: Option<String>,
    pub(super) active_seconds: f64,
    /// Seconds that trainers spent in the epochs that are known.
    pub(super) training_seconds: f64,
    pub(super) workers: Vec<Place>,
    pub(super) written: Written,
    pub(super) spec: StudySpec,
}

/// The best trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BestTrial {
    pub(super) trial: TrialNumber,
    pub(super) value: Option<f64>,
    pub(super) epochs: u32,
    pub(super) hparams: Hparams,
    pub(super) parameters: u64,
    pub(super) checkpoint: Option<Digest>,
}

/// What a worker did, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Place {
    pub(super) worker: WorkerId,
    /// Results that it brought.
    pub(super) results: u32,
    /// Epochs of those results, each counted once.
    pub(super) epochs: u64,
    /// Its device, where it is connected now.
    pub(super) device: Option<DeviceFacts>,
}

/// When, where and by what a report was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Written {
    pub(super) at: String,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) rung: &'static str,
}

impl Header {
    /// The header of a subject's report.
    pub(super) fn new(subject: &Subject) -> Self {
        let view = &subject.best.study;
        let points = subject.history.curves.values().flatten();
        Self {
            study: view.name.clone(),
            id: view.id.clone(),
            phase: view.phase,
            complete: view.complete,
            end_reason: view.end_reason,
            metric: view.metric,
            goal: view.goal,
            best: BestTrial::new(subject),
            test: view.test,
            test_touches: view.test_touches,
            planned_trials: view.trials,
            states: TrialState::ALL.map(|state| (state.as_str(), view.count(state))).into(),
            epochs: view.epochs,
            planned_epochs: view.planned_epochs,
            created: view.created.to_string(),
            finished: view.finished.map(|at| at.to_string()),
            active_seconds: view.active_ms as f64 / 1000.0,
            training_seconds: points.map(|point| point.seconds).filter(|seconds| seconds.is_finite()).sum(),
            workers: places(subject),
            written: Written {
                at: subject.occasion.at.to_string(),
                user: subject.occasion.user.clone(),
                host: subject.occasion.host.clone(),
                rung: env!("CARGO_PKG_VERSION"),
            },
            spec: subject.best.spec.clone(),
        }
    }
}

impl BestTrial {
    fn new(subject: &Subject) -> Self {
        let best = &subject.best;
        // The trial itself may have trained on since it took the lead.
        let leader = best.study.best.as_ref();
        Self {
            trial: best.trial.trial,
            value: leader.map(|leader| leader.value),
            epochs: leader.map_or(best.trial.epochs, |leader| leader.epochs),
            hparams: best.trial.hparams.clone(),
            parameters: best.parameters,
            checkpoint: leader.map(|leader| leader.checkpoint.weights),
        }
    }
}

/// Who brought how many results, by worker.
fn places(subject: &Subject) -> Vec<Place> {
    let mut trained: BTreeMap<TrialNumber, u32> = BTreeMap::new();
    let mut places: BTreeMap<&WorkerId, (u32, u64)> = BTreeMap::new();
    for result in &subject.history.results {
        let Some(worker) = &result.worker else { continue };
        let before = trained.insert(result.trial, result.epochs).unwrap_or(0);
        let (results, epochs) = places.entry(worker).or_default();
        *results += 1;
        *epochs += u64::from(result.epochs.saturating_sub(before));
    }
    let device = |worker: &WorkerId| subject.workers.iter().find(|view| view.worker == *worker);
    let place = |(worker, (results, epochs)): (&WorkerId, (u32, u64))| Place {
        worker: worker.clone(),
        results,
        epochs,
        device: device(worker).map(|view| view.device.clone()),
    };
    places.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_worker_is_credited_with_each_epoch_once() {
        let header = Header::new(&fixture::subject());
        let places: Vec<_> = header
            .workers
            .iter()
            .map(|place| (place.worker.to_string(), place.results, place.epochs))
            .collect();
        assert_eq!(places, [("lab-1".to_owned(), 9, 9), ("lab-2".to_owned(), 4, 12)]);
        let total: u64 = header.workers.iter().map(|place| place.epochs).sum();
        assert_eq!(total, 21);
    }
}
