//! A subject that no study has trained.

use common::{
    checkpoint::{Checkpoint, Digest},
    history::History,
    ids::TrialNumber,
    metrics::{Goal, Metric},
    random::{Purpose, Stream},
    study::StudySpec,
    time::Timestamp,
    trial::TrialState,
    view::{BestView, Leader, StudyPhase, StudyView, TrialView},
};
use coordinator::report::{
    Answerer, EnsembleMember, EnsembleRow, EnsembleSummary, Occasion, Subject, TestPart,
};

use super::REAL;

/// Predictions with what is easily got wrong: ties, a probability of nothing for the right class, a class that is
/// never predicted and one that never occurs.
pub(super) fn generated() -> Subject {
    const CLASSES: usize = 6;
    let mut words = Stream::new(7, Purpose::Draw).words();
    let (mut labels, mut probabilities) = (Vec::new(), Vec::new());
    for sample in 0..500 {
        let label = words.below(4);
        let mut row: Vec<f32> = (0..CLASSES).map(|_| (words.unit() as f32).powi(3)).collect();
        row[label as usize] += 0.5;
        row[3] *= 0.2;
        match sample % 50 {
            0 => row = vec![1.0; CLASSES],
            1 => row = (0..CLASSES).map(|class| if class == 4 { 1.0 } else { 0.0 }).collect(),
            _ => {}
        }
        let sum: f32 = row.iter().sum();
        probabilities.extend(row.iter().flat_map(|value| (value / sum).to_le_bytes()));
        labels.push(label);
    }
    let classes = (0..CLASSES).map(|class| class.to_string()).collect();
    let member = |trial, accuracy| EnsembleMember { trial: TrialNumber(trial), accuracy, loss: 0.2 };
    let rows = vec![EnsembleRow {
        vote: "soft vote".to_owned(),
        accuracy: 0.95,
        loss: Some(0.16),
        temperature: 0.75,
        scaled_loss: 0.15,
    }];
    let members = vec![member(0, 0.93), member(1, 0.94)];
    Subject {
        best: best(),
        trials: vec![best().trial],
        history: History::default(),
        workers: Vec::new(),
        test: Ok(TestPart { classes, labels, of: Answerer::BestTrial, probabilities, images: None }),
        ensemble: Some(EnsembleSummary {
            name: "e".to_owned(),
            clean_samples: None,
            best: TrialNumber(0),
            chosen: "soft vote".to_owned(),
            members,
            rows,
        }),
        occasion: Occasion::default(),
    }
}

fn best() -> BestView {
    let spec = StudySpec::from_yaml(REAL).unwrap();
    let checkpoint = Checkpoint { epoch: 3, weights: Digest::of(b"w"), state: Digest::of(b"s") };
    let trial = TrialView {
        trial: TrialNumber(0),
        bracket: 0,
        rung: 1,
        epochs: 3,
        state: TrialState::Completed,
        value: Some(0.8),
        hparams: spec.space.point(0),
        seed: 1,
        worker: None,
        attempts: 1,
        checkpoint: Some(checkpoint),
        early_stopped: false,
        failure: None,
        evaluation: None,
    };
    let study = StudyView {
        id: "0a1b2c3d".parse().unwrap(),
        name: spec.name.clone(),
        phase: StudyPhase::Finished,
        complete: true,
        end_reason: None,
        metric: Metric::ValAccuracy,
        goal: Goal::Maximize,
        trials: 1,
        states: [0, 0, 0, 0, 1, 0],
        epochs: 3,
        planned_epochs: 3,
        best: Some(Leader { trial: TrialNumber(0), value: 0.8, epochs: 3, checkpoint }),
        created: Timestamp(0),
        finished: Some(Timestamp(1)),
        leases: 0,
        active_ms: 0,
        test: None,
        test_touches: 1,
    };
    BestView { study, spec, trial, parameters: 1 }
}
