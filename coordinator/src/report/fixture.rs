//! A small study with everything that a report shows: nine trials in one bracket, two workers, three classes.

use std::collections::BTreeMap;

use common::{
    checkpoint::{Checkpoint, Digest},
    history::{History, RungResult},
    hparams::{Hparams, Scalar},
    ids::TrialNumber,
    metrics::{CurvePoint, Goal, Metric, Metrics, TestMetrics},
    study::StudySpec,
    time::Timestamp,
    trial::TrialState,
    view::{BestView, Leader, StudyPhase, StudyView, TrialView},
};

use super::{
    Answerer, EnsembleMember, EnsembleRow, EnsembleSummary, Occasion, Subject, TestImages, TestPart,
};

const TRIALS: u32 = 9;

/// Trial 0 is not finite; 6, 7 and 8 reach the second rung, 8 the third.
pub(super) fn subject() -> Subject {
    Subject {
        best: best(),
        trials: (0..TRIALS).map(trial).collect(),
        history: history(),
        workers: Vec::new(),
        test: Ok(test_part()),
        ensemble: None,
        occasion: Occasion {
            at: Timestamp(1_795_442_799_123),
            user: "ada".to_owned(),
            host: "lab".to_owned(),
        },
    }
}

/// An ensemble of two members, whose best is not the study's best trial.
pub(super) fn ensemble(name: &str) -> EnsembleSummary {
    let member = |trial, accuracy| EnsembleMember { trial: TrialNumber(trial), accuracy, loss: 0.2 };
    let vote = |vote: &str, accuracy, temperature| EnsembleRow {
        vote: vote.to_owned(),
        accuracy,
        loss: Some(0.19),
        temperature,
        scaled_loss: 0.18,
    };
    EnsembleSummary {
        name: name.to_owned(),
        clean_samples: None,
        best: TrialNumber(7),
        chosen: "soft vote".to_owned(),
        members: vec![member(7, 0.93), member(8, 0.94)],
        rows: vec![vote("soft vote", 0.95, 0.712), vote("hard vote", 0.945, 1.5)],
    }
}

/// Six samples of three classes, four of them right.
pub(super) fn test_part() -> TestPart {
    let rows: [[f32; 3]; 6] = [
        [0.8, 0.1, 0.1],
        [0.3, 0.6, 0.1],
        [0.3, 0.6, 0.1],
        [0.05, 0.05, 0.9],
        [0.5, 0.25, 0.25],
        [0.1, 0.2, 0.7],
    ];
    TestPart {
        classes: ["shirt", "<coat>", "boot & co"].map(str::to_owned).to_vec(),
        labels: vec![0, 1, 0, 2, 1, 2],
        of: Answerer::BestTrial,
        probabilities: rows.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect(),
        images: Some(TestImages { height: 2, width: 2, channels: 1, pixels: (0..24).collect() }),
    }
}

fn last_rung(trial: u32) -> u32 {
    match trial {
        8 => 2,
        6 | 7 => 1,
        _ => 0,
    }
}

fn epochs(rung: u32) -> u32 {
    3_u32.pow(rung)
}

fn value(trial: u32, epoch: u32) -> f64 {
    let grown = [0.0, 0.02, 0.05][(epoch as usize - 1).min(2)] + if epoch > 3 { 0.03 } else { 0.0 };
    if trial == 0 { f64::NAN } else { 0.7 + 0.01 * f64::from(trial) + grown }
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn checkpoint() -> Checkpoint {
    Checkpoint { epoch: 9, weights: Digest::of(b"weights"), state: Digest::of(b"state") }
}

fn best() -> BestView {
    let spec = StudySpec::from_yaml(
        "{name: s, model: mlp, space: {layers: {int: [1, 2]}, units_0: {choice: [16, 32]}, units_1: {choice: [16, 32]}, \
         lr: {float: [0.0001, 0.1], log: true}}, scheduler: {kind: hyperband, max_epochs: 9}}",
    );
    let study = StudyView {
        id: "0a1b2c3d".parse().unwrap(),
        name: "s".parse().unwrap(),
        phase: StudyPhase::Finished,
        complete: true,
        end_reason: None,
        metric: Metric::ValAccuracy,
        goal: Goal::Maximize,
        trials: 17,
        states: [0, 0, 0, 7, 1, 1],
        epochs: 21,
        planned_epochs: 69,
        best: Some(Leader { trial: TrialNumber(8), value: 0.86, epochs: 9, checkpoint: checkpoint() }),
        created: Timestamp(1_795_442_709_123),
        finished: Some(Timestamp(1_795_442_799_123)),
        leases: 0,
        active_ms: 88_000,
        test: Some(TestMetrics { accuracy: 4.0 / 6.0, loss: 0.6, clean: None }),
        test_touches: 1,
    };
    BestView { study, spec: spec.unwrap(), trial: trial(8), parameters: 235_146 }
}

fn trial(number: u32) -> TrialView {
    let rung = last_rung(number);
    TrialView {
        trial: TrialNumber(number),
        bracket: 0,
        rung,
        epochs: epochs(rung),
        state: match number {
            0 => TrialState::Failed,
            8 => TrialState::Completed,
            _ => TrialState::Stopped,
        },
        value: Some(rounded(value(number, epochs(rung)))).filter(|value| value.is_finite()),
        hparams: Hparams::from([
            ("layers", Scalar::Int(i64::from(1 + number % 2))),
            ("lr", Scalar::Float(0.0001 * f64::from(1 + number))),
        ]),
        seed: u64::from(number),
        worker: Some("lab-1".parse().unwrap()),
        attempts: 1,
        checkpoint: Some(checkpoint()),
        early_stopped: false,
        failure: (number == 0).then(|| "the objective is not finite".to_owned()),
        evaluation: None,
    }
}

fn history() -> History {
    let mut history = History::default();
    for rung in 0..3 {
        for trial in (0..TRIALS).filter(|trial| last_rung(*trial) >= rung) {
            history.results.push(RungResult {
                trial: TrialNumber(trial),
                rung,
                epochs: epochs(rung),
                value: rounded(value(trial, epochs(rung))),
                worker: Some(if rung == 0 { "lab-1" } else { "lab-2" }.parse().unwrap()),
            });
        }
    }
    let curve = |trial| (1..=epochs(last_rung(trial))).map(|epoch| point(trial, epoch)).collect();
    history.curves = (0..TRIALS).map(|trial| (TrialNumber(trial), curve(trial))).collect::<BTreeMap<_, _>>();
    history
}

fn point(trial: u32, epoch: u32) -> CurvePoint {
    let accuracy = rounded(value(trial, epoch));
    let metrics = Metrics {
        train_loss: 1.0 / f64::from(epoch + 1),
        train_accuracy: accuracy + 0.02,
        val_loss: 1.1 / f64::from(epoch + 1),
        val_accuracy: accuracy,
        val_macro_f1: accuracy - 0.01,
    };
    CurvePoint { epoch, metrics, learning_rate: 1e-3, seconds: 0.5 }
}
