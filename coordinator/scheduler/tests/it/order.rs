use common::{ids::TrialNumber, time::Timestamp};
use scheduler::{Event, Input, Study, Work};

use crate::support::{Nature, begin, done, hyperband, play, spec, worker};

fn lease(study: &mut Study, most: u32) -> Vec<u32> {
    let events = study.step(Timestamp(1), &Input::Lease { worker: worker(0), most }).unwrap();
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

/// Epochs are weighed with the model's parameters, as far as there is a model.
#[test]
fn a_large_model_goes_before_a_small_one() {
    let mlp = "model: mlp\nscheduler: {kind: fixed, epochs: 9, trials: [\
        {hparams: {layers: 1, units: 32, dropout: 0.0, lr: 0.001}}, \
        {hparams: {layers: 1, units: 512, dropout: 0.0, lr: 0.001}}]}";
    let yaml = format!("name: sizes\n{mlp}\n");
    let (mut study, _) = begin(common::study::StudySpec::from_yaml(&yaml).unwrap());
    assert_eq!(lease(&mut study, 2), [0, 1]);
    for trial in [0, 1].map(TrialNumber) {
        let attempt = study.lease(trial).unwrap().attempt;
        study.step(Timestamp(2), &Input::Lost { trial, attempt }).unwrap();
    }
    assert_eq!(lease(&mut study, 2), [1, 0]);
}

/// With as many workers as trials the last rung is not a tail: no study lasts longer than R epochs.
#[test]
fn enough_workers_need_only_the_longest_path() {
    let (_, log) = play(hyperband(81, 3), &Nature { seed: 1, ..Nature::default() }, 1_000);
    let mut clock: Vec<Vec<u32>> = Vec::new();
    let mut last = Timestamp(0);
    for event in &log {
        if let Event::Granted { work: Work::Train { from_epoch, to_epoch, .. }, at, .. } = event {
            if *at != last {
                clock.push(Vec::new());
                last = *at;
            }
            clock.last_mut().unwrap().push(to_epoch - from_epoch);
        }
    }
    // All first rungs begin at once.
    assert_eq!(clock[0].len(), 143);
}
