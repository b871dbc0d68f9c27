//! One study, as the command line's tests see it.

use common::{
    checkpoint::{Checkpoint, Digest},
    hparams::{Hparams, Scalar},
    ids::TrialNumber,
    metrics::{CurvePoint, Goal, Metric, Metrics, TestMetrics},
    study::StudySpec,
    time::Timestamp,
    trial::TrialState,
    view::{BestView, DeviceFacts, Leader, StudyPhase, StudyView, TrialView, WorkerView},
};

pub(crate) fn weights() -> Digest {
    Digest::of(b"weights")
}

fn checkpoint() -> Checkpoint {
    Checkpoint { epoch: 9, weights: weights(), state: Digest::of(b"state") }
}

pub(crate) fn spec() -> StudySpec {
    let text =
        "{name: fashion-mlp, model: mlp, space: mlp, scheduler: {kind: hyperband, max_epochs: 27}, seed: 7}";
    StudySpec::from_yaml(text).unwrap()
}

pub(crate) fn study() -> StudyView {
    StudyView {
        id: "0a1b2c3d".parse().unwrap(),
        name: "fashion-mlp".parse().unwrap(),
        phase: StudyPhase::Finished,
        complete: true,
        end_reason: None,
        metric: Metric::ValAccuracy,
        goal: Goal::Maximize,
        trials: 17,
        states: [0, 0, 0, 11, 6, 0],
        epochs: 69,
        planned_epochs: 69,
        best: Some(Leader { trial: TrialNumber(3), value: 0.875, epochs: 9, checkpoint: checkpoint() }),
        created: Timestamp(1_795_442_709_123),
        finished: Some(Timestamp(1_795_442_799_123)),
        leases: 0,
        active_ms: 88_000,
        test: Some(TestMetrics { accuracy: 0.8712, loss: 0.34, clean: None }),
        test_touches: 1,
    }
}

pub(crate) fn trial(number: u32) -> TrialView {
    TrialView {
        trial: TrialNumber(number),
        bracket: 0,
        rung: 1,
        epochs: 9,
        state: TrialState::Completed,
        value: Some(0.875),
        hparams: Hparams::from([
            ("layers", Scalar::Int(2)),
            ("units_0", Scalar::Int(256)),
            ("units_1", Scalar::Int(128)),
            ("lr", Scalar::Float(0.001)),
        ]),
        seed: 0xf_eedb_eefd_eadc,
        worker: Some("lab-1".parse().unwrap()),
        attempts: 2,
        checkpoint: Some(checkpoint()),
        early_stopped: false,
        failure: None,
        evaluation: None,
    }
}

/// An epoch whose training loss is no number.
pub(crate) fn point(epoch: u32) -> CurvePoint {
    let metrics = Metrics {
        train_loss: f64::NAN,
        train_accuracy: 0.5,
        val_loss: 0.25,
        val_accuracy: 0.75,
        val_macro_f1: 0.7,
    };
    CurvePoint { epoch, metrics, learning_rate: 0.001, seconds: 1.5 }
}

pub(crate) fn best() -> BestView {
    BestView { study: study(), spec: spec(), trial: trial(3), parameters: 235_146 }
}

/// A worker that has nothing and does nothing.
pub(crate) fn worker(name: &str) -> WorkerView {
    WorkerView {
        worker: name.parse().unwrap(),
        device: DeviceFacts::default(),
        slots: 1,
        leases: Vec::new(),
        draining: false,
        silent_ms: 0,
        version: String::new(),
        data: Default::default(),
    }
}
