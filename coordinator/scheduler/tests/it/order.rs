use std::collections::BTreeSet;

use common::{ids::TrialNumber, model_spec::ModelSpec, study::StudySpec, time::Timestamp, view::StudyPhase};
use scheduler::{Event, Input, Study, Trial, Work};

use crate::support::{Nature, begin, done, hyperband, spec, worker};

fn lease(study: &mut Study, most: u32) -> Vec<u32> {
    let events = study.step(Timestamp(1), &Input::alone(worker(0), most)).unwrap();
    let granted = |event: &Event| match event {
        Event::Granted { trial, .. } => Some(trial.0),
        _ => None,
    };
    events.iter().filter_map(granted).collect()
}

fn finish(study: &mut Study, trials: impl IntoIterator<Item = u32>) {
    for trial in trials.into_iter().map(TrialNumber) {
        let lease = study.lease(trial).unwrap();
        let input = done(&Nature::default(), trial, lease.attempt, lease.work);
        study.step(Timestamp(2), &input).unwrap();
    }
}

#[test]
fn new_trials_are_leased_in_the_order_of_their_numbers() {
    let (mut study, _) = begin(hyperband(9, 3));
    assert_eq!(lease(&mut study, 5), [0, 1, 2, 3, 4]);
    assert_eq!(lease(&mut study, 100), (5..17).collect::<Vec<_>>());
    assert!(lease(&mut study, 100).is_empty());
}

/// Bracket 0 is waited for: meanwhile the next brackets begin.
#[test]
fn an_idle_slot_opens_the_next_bracket() {
    let (mut study, _) = begin(hyperband(9, 3));
    lease(&mut study, 9);
    assert_eq!(lease(&mut study, 1), [9]);
}

#[test]
fn the_longest_remaining_path_is_leased_first() {
    let (mut study, _) = begin(hyperband(9, 3));
    lease(&mut study, 17);
    finish(&mut study, 0..9);
    finish(&mut study, 9..14);
    // Three of bracket 0 have 8 epochs to go, one of bracket 1 has 6.
    let promoted: Vec<_> = lease(&mut study, 4);
    let to_go = |trial: &u32| 9 - study.trial(TrialNumber(*trial)).unwrap().durable_epochs();
    assert_eq!(promoted.iter().map(to_go).collect::<Vec<_>>(), [8, 8, 8, 6]);
    assert!(promoted[..3].is_sorted());
}

/// What is still to be trained counts, not what was promised.
#[test]
fn a_lost_trial_with_a_checkpoint_waits_behind_one_without() {
    let fixed = "scheduler: {kind: fixed, epochs: 9, trials: [{hparams: {x: 1}}, {hparams: {x: 2}}, {hparams: {x: 3}}]}";
    let (mut study, _) = begin(spec(fixed));
    assert_eq!(lease(&mut study, 2), [0, 1]);
    for trial in [0, 1].map(TrialNumber) {
        let attempt = study.lease(trial).unwrap().attempt;
        let checkpoint = (trial.0 == 0).then(|| crate::support::checkpoint(trial, 5));
        study.step(Timestamp(2), &Input::Released { trial, attempt, checkpoint }).unwrap();
    }
    assert_eq!(lease(&mut study, 3), [1, 2, 0]);
}

/// Epochs are weighed with the model's cost, as far as there is a model.
#[test]
fn a_large_model_goes_before_a_small_one() {
    let mlp = "model: mlp\nscheduler: {kind: fixed, epochs: 9, trials: [\
        {hparams: {layers: 1, units: 32, dropout: 0.0, lr: 0.001}}, \
        {hparams: {layers: 1, units: 512, dropout: 0.0, lr: 0.001}}]}";
    let yaml = format!("name: sizes\n{mlp}\n");
    let (mut study, _) = begin(StudySpec::from_yaml(&yaml).unwrap());
    assert_eq!(lease(&mut study, 2), [0, 1]);
    for trial in [0, 1].map(TrialNumber) {
        let attempt = study.lease(trial).unwrap().attempt;
        study.step(Timestamp(2), &Input::Lost { trial, attempt }).unwrap();
    }
    assert_eq!(lease(&mut study, 2), [1, 0]);
}

/// With enough workers a study lasts as long as one trial that goes all the way; with few, they are idle for less
/// than one such trial's last rung at the end.
#[test]
fn the_last_rung_is_no_tail() {
    assert_eq!(played(hyperband(81, 3), 1_000, |_| 1).long, 81);
    for workers in [1, 2, 4, 8, 16] {
        let even = 1581_u64.div_ceil(workers.into());
        let long = played(hyperband(81, 3), workers, |_| 1).long;
        assert!((even..even + 54).contains(&long), "{workers} workers take {long} epochs, {even} if even");
    }
}

/// Epochs of models that differ a hundredfold: two workers share them evenly, as far as the largest one's rungs, which
/// follow each other, leave them to.
#[test]
fn models_of_all_sizes_leave_two_workers_little_idle() {
    let mut shares = Vec::new();
    for seed in 1..=20 {
        let yaml = format!(
            "name: sizes\nseed: {seed}\nmodel: cnn\nspace: cnn-all\nscheduler: {{kind: hyperband, max_epochs: 27}}\n"
        );
        let spec = StudySpec::from_yaml(&yaml).unwrap();
        let shape = spec.data.shape().unwrap();
        let cost = |trial: &Trial| ModelSpec::build(spec.model, &trial.hparams, &shape).unwrap().cost();
        let Played { long, busy } = played(spec.clone(), 2, cost);
        shares.push(busy as f64 / (2 * long) as f64);
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean > 0.915, "{mean}, {shares:?}");
}

/// How a study went.
struct Played {
    /// When it ended.
    long: u64,
    /// How long its workers trained, added up.
    busy: u64,
}

/// Plays a study on workers, an epoch of a trial being as long as its cost.
fn played(spec: StudySpec, workers: u32, cost: impl Fn(&Trial) -> u64) -> Played {
    let (mut study, _) = begin(spec);
    let mut out = BTreeSet::new();
    let (mut long, mut busy) = (0, 0);
    while study.phase() == StudyPhase::Running {
        for trial in lease(&mut study, workers - out.len() as u32) {
            let number = TrialNumber(trial);
            let Work::Train { from_epoch, to_epoch, .. } = study.lease(number).unwrap().work else {
                panic!("trial {trial} does not train");
            };
            let takes = cost(study.trial(number).unwrap()) * u64::from(to_epoch - from_epoch);
            out.insert((long + takes, trial));
            busy += takes;
        }
        let (end, trial) = out.pop_first().unwrap();
        long = end;
        finish(&mut study, [trial]);
    }
    Played { long, busy }
}

/// One run of all brackets is finished before the next takes workers from it.
#[test]
fn iterations_follow_each_other() {
    let (mut study, _) = begin(spec("scheduler: {kind: hyperband, max_epochs: 9, eta: 3, iterations: 2}"));
    assert_eq!(lease(&mut study, 17), (0..17).collect::<Vec<_>>());
    finish(&mut study, 0..9);
    let next = lease(&mut study, 4);
    assert_eq!((next.iter().filter(|trial| **trial < 9).count(), next[3]), (3, 17));
}
