//! From the domain to the wire. These conversions cannot fail.

use std::collections::BTreeMap;

use common::{
    checkpoint::Checkpoint,
    evaluation::{Evaluation, Scored},
    hparams::{Hparams, Scalar},
    metrics::{CleanMetrics, CurvePoint, Goal, Metrics, TestMetrics},
    trial::TrialState,
    view::{
        BestView, DataView, DeviceFacts, EndReason, Leader, LeaseId, ModelView, StudyPhase, StudyView,
        TrialView, WorkerView,
    },
};

use crate::v1 as pb;

/// Hyperparameters as the wire's map.
pub fn scalars(hparams: &Hparams) -> BTreeMap<String, pb::Scalar> {
    hparams.iter().map(|(name, value)| (name.to_owned(), value.clone().into())).collect()
}

impl From<Scalar> for pb::Scalar {
    fn from(value: Scalar) -> Self {
        use pb::scalar::Kind;
        let kind = match value {
            Scalar::Bool(value) => Kind::BoolValue(value),
            Scalar::Int(value) => Kind::IntValue(value),
            Scalar::Float(value) => Kind::FloatValue(value),
            Scalar::Text(value) => Kind::TextValue(value),
        };
        Self { kind: Some(kind) }
    }
}

impl From<Checkpoint> for pb::Checkpoint {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            epoch: checkpoint.epoch,
            weights: checkpoint.weights.to_string(),
            state: checkpoint.state.to_string(),
        }
    }
}

impl From<Metrics> for pb::Metrics {
    fn from(metrics: Metrics) -> Self {
        Self {
            train_loss: metrics.train_loss,
            train_accuracy: metrics.train_accuracy,
            val_loss: metrics.val_loss,
            val_accuracy: metrics.val_accuracy,
            val_macro_f1: metrics.val_macro_f1,
        }
    }
}

impl From<CurvePoint> for pb::CurvePoint {
    fn from(point: CurvePoint) -> Self {
        Self {
            epoch: point.epoch,
            metrics: Some(point.metrics.into()),
            learning_rate: point.learning_rate,
            seconds: point.seconds,
        }
    }
}

impl From<TestMetrics> for pb::TestMetrics {
    fn from(test: TestMetrics) -> Self {
        let clean = |clean: CleanMetrics| {
            let CleanMetrics { accuracy, loss, samples } = clean;
            pb::CleanMetrics { accuracy, loss, samples }
        };
        Self { accuracy: test.accuracy, loss: test.loss, clean: test.clean.map(clean) }
    }
}

impl From<DataView> for pb::DataSet {
    fn from(set: DataView) -> Self {
        Self {
            name: set.name.into(),
            facts_json: set.facts.to_json(),
            size: set.size,
            created_ms: set.created.0,
        }
    }
}

impl From<ModelView> for pb::Model {
    fn from(model: ModelView) -> Self {
        Self {
            name: model.name.into(),
            facts_json: model.facts.to_json(),
            size: model.size,
            created_ms: model.created.0,
        }
    }
}

impl From<LeaseId> for pb::Lease {
    fn from(lease: LeaseId) -> Self {
        Self { study: lease.study.into(), trial: lease.trial.0, attempt: lease.attempt.0 }
    }
}

impl From<DeviceFacts> for pb::DeviceFacts {
    fn from(facts: DeviceFacts) -> Self {
        Self {
            device: facts.device,
            name: facts.name,
            libtorch: facts.libtorch,
            capability: facts.capability,
            memory_bytes: facts.memory_bytes,
            host: facts.host,
        }
    }
}

impl From<TrialState> for pb::TrialState {
    fn from(state: TrialState) -> Self {
        match state {
            TrialState::Pending => Self::Pending,
            TrialState::Running => Self::Running,
            TrialState::Paused => Self::Paused,
            TrialState::Stopped => Self::Stopped,
            TrialState::Completed => Self::Completed,
            TrialState::Failed => Self::Failed,
        }
    }
}

impl From<StudyPhase> for pb::StudyPhase {
    fn from(phase: StudyPhase) -> Self {
        match phase {
            StudyPhase::Running => Self::Running,
            StudyPhase::Paused => Self::Paused,
            StudyPhase::Evaluating => Self::Evaluating,
            StudyPhase::Finished => Self::Finished,
        }
    }
}

impl From<EndReason> for pb::EndReason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::MaxTime => Self::MaxTime,
            EndReason::Target => Self::Target,
            EndReason::Requested => Self::Requested,
        }
    }
}

impl From<Leader> for pb::Leader {
    fn from(leader: Leader) -> Self {
        Self {
            trial: leader.trial.0,
            value: leader.value,
            epochs: leader.epochs,
            checkpoint: Some(leader.checkpoint.into()),
        }
    }
}

impl From<StudyView> for pb::Study {
    fn from(study: StudyView) -> Self {
        Self {
            id: study.id.into(),
            name: study.name.into(),
            phase: pb::StudyPhase::from(study.phase).into(),
            complete: study.complete,
            metric: study.metric.to_string(),
            maximize: study.goal == Goal::Maximize,
            trials: study.trials,
            states: study.states.to_vec(),
            epochs: study.epochs,
            planned_epochs: study.planned_epochs,
            best: study.best.map(Into::into),
            created_ms: study.created.0,
            finished_ms: study.finished.map(|at| at.0),
            leases: study.leases,
            active_ms: study.active_ms,
            test: study.test.map(Into::into),
            test_touches: study.test_touches,
            end_reason: study.end_reason.map_or(pb::EndReason::Unspecified, Into::into).into(),
        }
    }
}

impl From<TrialView> for pb::Trial {
    fn from(trial: TrialView) -> Self {
        Self {
            number: trial.trial.0,
            bracket: trial.bracket,
            rung: trial.rung,
            epochs: trial.epochs,
            state: pb::TrialState::from(trial.state).into(),
            value: trial.value,
            hparams: scalars(&trial.hparams),
            worker: trial.worker.map(String::from).unwrap_or_default(),
            attempts: trial.attempts,
            checkpoint: trial.checkpoint.map(Into::into),
            seed: trial.seed,
            failure: trial.failure.unwrap_or_default(),
            early_stopped: trial.early_stopped,
            evaluation: trial.evaluation.map(Into::into),
        }
    }
}

impl From<Evaluation> for pb::Evaluation {
    fn from(evaluation: Evaluation) -> Self {
        Self {
            epoch: evaluation.epoch,
            test: Some(evaluation.test.into()),
            validation: evaluation.validation.map(Into::into),
        }
    }
}

impl From<Scored> for pb::Scored {
    fn from(scored: Scored) -> Self {
        let digest = scored.probabilities.map(|digest| digest.to_string());
        Self { metrics: Some(scored.metrics.into()), probabilities: digest.unwrap_or_default() }
    }
}

impl From<BestView> for pb::Best {
    fn from(best: BestView) -> Self {
        Self {
            study: Some(best.study.into()),
            trial: Some(best.trial.into()),
            spec_json: best.spec.to_json(),
            parameters: best.parameters,
        }
    }
}

impl From<WorkerView> for pb::Worker {
    fn from(worker: WorkerView) -> Self {
        Self {
            id: worker.worker.into(),
            device: Some(worker.device.into()),
            slots: worker.slots,
            leases: worker.leases.into_iter().map(Into::into).collect(),
            draining: worker.draining,
            silent_ms: worker.silent_ms,
            version: worker.version,
            data: worker.data.into_iter().collect(),
        }
    }
}
