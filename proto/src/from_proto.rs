//! From the wire to the domain. A message is believed only when it parses.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use common::{
    checkpoint::Checkpoint,
    evaluation::{Evaluation, Scored},
    hparams::{Hparams, Scalar},
    ids::{Attempt, TrialNumber},
    metrics::{CleanMetrics, CurvePoint, Goal, Metric, Metrics, TestMetrics},
    study::{DataFacts, StudySpec},
    time::Timestamp,
    trial::TrialState,
    view::{
        BestView, DataView, DeviceFacts, EndReason, Leader, LeaseId, ModelView, StudyPhase, StudyView,
        TrialView, WorkerView,
    },
    weights::WeightsFacts,
};

use crate::v1 as pb;

/// A message that does not mean anything: what is wrong, and in which field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {reason}")]
pub struct Malformed {
    field: &'static str,
    reason: String,
}

impl Malformed {
    /// A field whose value cannot be used.
    pub fn new(field: &'static str, reason: impl Display) -> Self {
        Self { field, reason: reason.to_string() }
    }
}

/// The value of a field that must be there.
pub fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new(field, "missing"))
}

fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|error| Malformed::new(field, error))
}

/// Hyperparameters from the wire's map.
pub fn hparams(scalars: BTreeMap<String, pb::Scalar>) -> Result<Hparams, Malformed> {
    let values = scalars.into_iter().map(|(name, value)| Ok((name, value.try_into()?)));
    values.collect::<Result<_, _>>().map(Hparams)
}

impl TryFrom<pb::Scalar> for Scalar {
    type Error = Malformed;

    fn try_from(scalar: pb::Scalar) -> Result<Self, Malformed> {
        use pb::scalar::Kind;
        match present("scalar", scalar.kind)? {
            Kind::BoolValue(value) => Ok(Self::Bool(value)),
            Kind::IntValue(value) => Ok(Self::Int(value)),
            Kind::FloatValue(value) if value.is_finite() => Ok(Self::Float(value)),
            Kind::FloatValue(value) => Err(Malformed::new("scalar", format!("{value} is not finite"))),
            Kind::TextValue(value) => Ok(Self::Text(value)),
        }
    }
}

impl TryFrom<pb::Checkpoint> for Checkpoint {
    type Error = Malformed;

    fn try_from(checkpoint: pb::Checkpoint) -> Result<Self, Malformed> {
        Ok(Self {
            epoch: checkpoint.epoch,
            weights: parse("checkpoint.weights", &checkpoint.weights)?,
            state: parse("checkpoint.state", &checkpoint.state)?,
        })
    }
}

impl From<pb::Metrics> for Metrics {
    fn from(metrics: pb::Metrics) -> Self {
        Self {
            train_loss: metrics.train_loss,
            train_accuracy: metrics.train_accuracy,
            val_loss: metrics.val_loss,
            val_accuracy: metrics.val_accuracy,
            val_macro_f1: metrics.val_macro_f1,
        }
    }
}

impl TryFrom<pb::CurvePoint> for CurvePoint {
    type Error = Malformed;

    fn try_from(point: pb::CurvePoint) -> Result<Self, Malformed> {
        Ok(Self {
            epoch: point.epoch,
            metrics: present("curve_point.metrics", point.metrics)?.into(),
            learning_rate: point.learning_rate,
            seconds: point.seconds,
        })
    }
}

impl From<pb::TestMetrics> for TestMetrics {
    fn from(test: pb::TestMetrics) -> Self {
        let clean = |clean: pb::CleanMetrics| {
            let pb::CleanMetrics { accuracy, loss, samples } = clean;
            CleanMetrics { accuracy, loss, samples }
        };
        Self { accuracy: test.accuracy, loss: test.loss, clean: test.clean.map(clean) }
    }
}

impl TryFrom<pb::DataSet> for DataView {
    type Error = Malformed;

    fn try_from(set: pb::DataSet) -> Result<Self, Malformed> {
        Ok(Self {
            name: parse("data_set.name", &set.name)?,
            facts: DataFacts::from_json(&set.facts_json)
                .map_err(|error| Malformed::new("data_set.facts_json", error))?,
            size: set.size,
            created: Timestamp(set.created_ms),
        })
    }
}

impl TryFrom<pb::Model> for ModelView {
    type Error = Malformed;

    fn try_from(model: pb::Model) -> Result<Self, Malformed> {
        Ok(Self {
            name: parse("model.name", &model.name)?,
            facts: WeightsFacts::from_json(&model.facts_json)
                .map_err(|error| Malformed::new("model.facts_json", error))?,
            size: model.size,
            created: Timestamp(model.created_ms),
        })
    }
}

impl TryFrom<pb::Lease> for LeaseId {
    type Error = Malformed;

    fn try_from(lease: pb::Lease) -> Result<Self, Malformed> {
        Ok(Self {
            study: parse("lease.study", &lease.study)?,
            trial: TrialNumber(lease.trial),
            attempt: Attempt(lease.attempt),
        })
    }
}

impl From<pb::DeviceFacts> for DeviceFacts {
    fn from(facts: pb::DeviceFacts) -> Self {
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

impl TryFrom<pb::TrialState> for TrialState {
    type Error = Malformed;

    fn try_from(state: pb::TrialState) -> Result<Self, Malformed> {
        match state {
            pb::TrialState::Unspecified => Err(Malformed::new("trial.state", "unspecified")),
            pb::TrialState::Pending => Ok(Self::Pending),
            pb::TrialState::Running => Ok(Self::Running),
            pb::TrialState::Paused => Ok(Self::Paused),
            pb::TrialState::Stopped => Ok(Self::Stopped),
            pb::TrialState::Completed => Ok(Self::Completed),
            pb::TrialState::Failed => Ok(Self::Failed),
        }
    }
}

impl TryFrom<pb::StudyPhase> for StudyPhase {
    type Error = Malformed;

    fn try_from(phase: pb::StudyPhase) -> Result<Self, Malformed> {
        match phase {
            pb::StudyPhase::Unspecified => Err(Malformed::new("study.phase", "unspecified")),
            pb::StudyPhase::Running => Ok(Self::Running),
            pb::StudyPhase::Paused => Ok(Self::Paused),
            pb::StudyPhase::Evaluating => Ok(Self::Evaluating),
            pb::StudyPhase::Finished => Ok(Self::Finished),
        }
    }
}

impl TryFrom<pb::Leader> for Leader {
    type Error = Malformed;

    fn try_from(leader: pb::Leader) -> Result<Self, Malformed> {
        Ok(Self {
            trial: TrialNumber(leader.trial),
            value: leader.value,
            epochs: leader.epochs,
            checkpoint: present("leader.checkpoint", leader.checkpoint)?.try_into()?,
        })
    }
}

impl TryFrom<pb::Study> for StudyView {
    type Error = Malformed;

    fn try_from(study: pb::Study) -> Result<Self, Malformed> {
        let states = <[u32; 6]>::try_from(study.states.as_slice());
        let end_reason = match study.end_reason() {
            pb::EndReason::Unspecified => None,
            pb::EndReason::MaxTime => Some(EndReason::MaxTime),
            pb::EndReason::Target => Some(EndReason::Target),
            pb::EndReason::Requested => Some(EndReason::Requested),
        };
        Ok(Self {
            phase: study.phase().try_into()?,
            id: parse("study.id", &study.id)?,
            name: parse("study.name", &study.name)?,
            complete: study.complete,
            metric: parse::<Metric>("study.metric", &study.metric)?,
            goal: if study.maximize { Goal::Maximize } else { Goal::Minimize },
            trials: study.trials,
            states: states.map_err(|_| Malformed::new("study.states", "six counts are expected"))?,
            epochs: study.epochs,
            planned_epochs: study.planned_epochs,
            best: study.best.map(TryInto::try_into).transpose()?,
            created: Timestamp(study.created_ms),
            finished: study.finished_ms.map(Timestamp),
            leases: study.leases,
            active_ms: study.active_ms,
            test: study.test.map(Into::into),
            test_touches: study.test_touches,
            end_reason,
        })
    }
}

impl TryFrom<pb::Trial> for TrialView {
    type Error = Malformed;

    fn try_from(trial: pb::Trial) -> Result<Self, Malformed> {
        Ok(Self {
            state: trial.state().try_into()?,
            trial: TrialNumber(trial.number),
            bracket: trial.bracket,
            rung: trial.rung,
            epochs: trial.epochs,
            value: trial.value,
            hparams: hparams(trial.hparams)?,
            seed: trial.seed,
            worker: match trial.worker.as_str() {
                "" => None,
                worker => Some(parse("trial.worker", worker)?),
            },
            attempts: trial.attempts,
            checkpoint: trial.checkpoint.map(TryInto::try_into).transpose()?,
            early_stopped: trial.early_stopped,
            failure: Some(trial.failure).filter(|reason| !reason.is_empty()),
            evaluation: trial.evaluation.map(TryInto::try_into).transpose()?,
        })
    }
}

impl TryFrom<pb::Evaluation> for Evaluation {
    type Error = Malformed;

    fn try_from(evaluation: pb::Evaluation) -> Result<Self, Malformed> {
        Ok(Self {
            epoch: evaluation.epoch,
            test: present("evaluation.test", evaluation.test)?.try_into()?,
            validation: evaluation.validation.map(TryInto::try_into).transpose()?,
        })
    }
}

impl TryFrom<pb::Scored> for Scored {
    type Error = Malformed;

    fn try_from(scored: pb::Scored) -> Result<Self, Malformed> {
        Ok(Self {
            metrics: present("scored.metrics", scored.metrics)?.into(),
            probabilities: match scored.probabilities.as_str() {
                "" => None,
                digest => Some(parse("scored.probabilities", digest)?),
            },
        })
    }
}

impl TryFrom<pb::Best> for BestView {
    type Error = Malformed;

    fn try_from(best: pb::Best) -> Result<Self, Malformed> {
        Ok(Self {
            study: present("best.study", best.study)?.try_into()?,
            trial: present("best.trial", best.trial)?.try_into()?,
            spec: StudySpec::from_json(&best.spec_json)
                .map_err(|error| Malformed::new("best.spec_json", error))?,
            parameters: best.parameters,
        })
    }
}

impl TryFrom<pb::Worker> for WorkerView {
    type Error = Malformed;

    fn try_from(worker: pb::Worker) -> Result<Self, Malformed> {
        Ok(Self {
            worker: parse("worker.id", &worker.id)?,
            device: present("worker.device", worker.device)?.into(),
            slots: worker.slots,
            leases: worker.leases.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            draining: worker.draining,
            silent_ms: worker.silent_ms,
            version: worker.version,
            data: worker.data.into_iter().collect(),
        })
    }
}
