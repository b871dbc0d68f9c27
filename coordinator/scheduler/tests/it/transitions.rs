use common::{
    ids::{Attempt, TrialNumber},
    metrics::{Bits, TestMetrics},
    study::StudySpec,
    time::Timestamp,
    trial::TrialState,
    view::StudyPhase,
};
use scheduler::{Event, Input, Study, Work, audit::audit};

use crate::support::{Nature, begin, checkpoint, done, play, spec, worker};

const FIRST: TrialNumber = TrialNumber(0);

fn nine() -> StudySpec {
    spec("scheduler: {kind: hyperband, max_epochs: 9, eta: 3}")
}

/// A study with one lease out, on trial 0, which trains to 9 epochs.
fn leased() -> Study {
    let (mut study, _) = begin(spec(
        "scheduler: {kind: fixed, epochs: 9, trials: [{hparams: {x: 0.5}}, {hparams: {x: 0.7}}]}",
    ));
    study.step(Timestamp(1), &Input::alone(worker(1), 1)).unwrap();
    study
}

fn send(study: &mut Study, input: Input) -> Vec<Event> {
    let events = study.step(Timestamp(5), &input).unwrap();
    assert_eq!(study.violations(), Vec::<String>::new());
    events
}

fn lease(study: &mut Study) -> Vec<Event> {
    send(study, Input::alone(worker(1), 1))
}

fn finished(trial: TrialNumber, attempt: u64, epochs: u32, value: f64, early_stopped: bool) -> Input {
    let (attempt, checkpoint) = (Attempt(attempt), checkpoint(trial, epochs));
    Input::Finished { trial, attempt, epochs, value, val_loss: 1.0, checkpoint, early_stopped }
}

fn granted(event: &Event) -> Work {
    match event {
        Event::Granted { work, .. } => *work,
        other => panic!("{other:?} is no lease"),
    }
}

#[test]
fn a_lease_draws_the_trial_first() {
    let (mut study, log) = begin(nine());
    assert!(matches!(log[..], [Event::Created { .. }]));
    let events = send(&mut study, Input::alone(worker(1), 2));
    let [Event::Drawn { trial: TrialNumber(0), .. }, first, Event::Drawn { trial: TrialNumber(1), .. }, _] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    let work = Work::Train { from_epoch: 0, to_epoch: 1, resume: None };
    let at = Timestamp(5);
    assert_eq!(*first, Event::Granted { trial: FIRST, attempt: Attempt(1), worker: worker(1), work, at });
    assert_eq!(study.trial(FIRST).unwrap().state, TrialState::Running);
    assert_eq!(study.leases().count(), 2);
}

#[test]
fn a_promoted_trial_goes_on_from_its_checkpoint() {
    let (mut study, _) = begin(nine());
    send(&mut study, Input::alone(worker(1), 17));
    for trial in 0..9 {
        send(&mut study, finished(TrialNumber(trial), 1, 1, f64::from(trial), false));
    }
    let next = granted(&lease(&mut study)[0]);
    let resume = Some(checkpoint(TrialNumber(6), 1));
    assert_eq!(next, Work::Train { from_epoch: 1, to_epoch: 3, resume });
}

#[test]
fn a_lost_lease_costs_the_epochs_since_the_last_checkpoint() {
    let mut study = leased();
    let stored = checkpoint(FIRST, 4);
    send(&mut study, Input::Checkpointed { trial: FIRST, attempt: Attempt(1), checkpoint: stored });
    let lost = send(&mut study, Input::Lost { trial: FIRST, attempt: Attempt(1) });
    assert_eq!(lost, [Event::LeaseLost { trial: FIRST, attempt: Attempt(1) }]);
    assert_eq!(study.trial(FIRST).unwrap().state, TrialState::Pending);
    study.step(Timestamp(6), &Input::alone(worker(2), 2)).unwrap();
    let lease = study.lease(FIRST).unwrap();
    assert_eq!(lease.attempt, Attempt(2));
    assert_eq!(lease.work, Work::Train { from_epoch: 4, to_epoch: 9, resume: Some(stored) });
}

#[test]
fn a_checkpoint_at_the_end_of_a_lease_counts_only_with_its_result() {
    let mut study = leased();
    let end = checkpoint(FIRST, 9);
    let stored = Input::Checkpointed { trial: FIRST, attempt: Attempt(1), checkpoint: end };
    assert_eq!(send(&mut study, stored), []);
    send(&mut study, Input::Released { trial: FIRST, attempt: Attempt(1), checkpoint: Some(end) });
    assert_eq!(study.trial(FIRST).unwrap().checkpoint, None);
}

#[test]
fn epochs_since_the_last_result_are_trained_but_not_yet_charged() {
    let mut study = leased();
    let both = |study: &Study| (study.trained_epochs(), study.epochs());
    let stored = checkpoint(FIRST, 4);
    send(&mut study, Input::Checkpointed { trial: FIRST, attempt: Attempt(1), checkpoint: stored });
    assert_eq!(both(&study), (4, 0));
    // Handed back it still has them, and nothing is counted twice when it ends.
    send(&mut study, Input::Released { trial: FIRST, attempt: Attempt(1), checkpoint: Some(stored) });
    assert_eq!(both(&study), (4, 0));
    send(&mut study, Input::alone(worker(1), 2));
    send(&mut study, finished(FIRST, 2, 9, 0.5, false));
    assert_eq!(both(&study), (9, 9));
    let second = TrialNumber(1);
    let stored = checkpoint(second, 5);
    send(&mut study, Input::Checkpointed { trial: second, attempt: Attempt(1), checkpoint: stored });
    assert_eq!(both(&study), (14, 9));
    // A trial that fails has trained for nothing.
    for attempt in 1..=3 {
        let reason = "out of memory".to_owned();
        send(&mut study, Input::Failed { trial: second, attempt: Attempt(attempt), reason });
        if attempt < 3 {
            assert_eq!(both(&study), (14, 9));
            lease(&mut study);
        }
    }
    assert_eq!(both(&study), (9, 9));
}

#[test]
fn a_drained_worker_hands_back_what_it_has() {
    let mut study = leased();
    let stored = Some(checkpoint(FIRST, 3));
    let input = Input::Released { trial: FIRST, attempt: Attempt(1), checkpoint: stored };
    assert_eq!(
        send(&mut study, input.clone()),
        [Event::Released { trial: FIRST, attempt: Attempt(1), checkpoint: stored }]
    );
    assert_eq!(study.trial(FIRST).unwrap().checkpoint, stored);
    assert_eq!(send(&mut study, input), []);
}

#[test]
fn three_dead_trainers_end_a_trial() {
    let mut study = leased();
    for attempt in 1..=3 {
        let reason = "out of memory".to_owned();
        let events = send(
            &mut study,
            Input::Failed { trial: FIRST, attempt: Attempt(attempt), reason: reason.clone() },
        );
        assert_eq!(events[0], Event::AttemptFailed { trial: FIRST, attempt: Attempt(attempt), reason });
        assert_eq!(events.len(), if attempt == 3 { 2 } else { 1 });
        lease(&mut study);
    }
    let trial = study.trial(FIRST).unwrap();
    assert_eq!(trial.state, TrialState::Failed);
    assert_eq!(trial.failure.as_deref(), Some("3 attempts failed, the last one: out of memory"));
}

#[test]
fn what_has_failed_on_a_worker_goes_to_others_where_one_is_better() {
    let mut study = leased();
    let fail = |study: &mut Study, attempt: u64| {
        let (trial, attempt, reason) = (FIRST, Attempt(attempt), "no kernel image".to_owned());
        send(study, Input::Failed { trial, attempt, reason });
    };
    let granted = |study: &mut Study, asks: u32, most: u32, others: &[u32]| -> Vec<u32> {
        let others = others.iter().map(|other| worker(*other)).collect();
        let events = send(study, Input::Lease { worker: worker(asks), most, others });
        let trial = |event: &Event| matches!(event, Event::Granted { .. }).then(|| event.trial()).flatten();
        events.iter().filter_map(trial).map(|trial| trial.0).collect()
    };
    fail(&mut study, 1);
    assert!(study.has_failed_on(&worker(1)) && !study.has_failed_on(&worker(2)));
    // What it has not failed it is given.
    assert_eq!(granted(&mut study, 1, 2, &[2]), [1]);
    assert_eq!(granted(&mut study, 1, 2, &[2]), [0; 0]);
    assert_eq!(granted(&mut study, 2, 2, &[1]), [0]);
    fail(&mut study, 2);
    assert_eq!(granted(&mut study, 2, 2, &[1, 3]), [0; 0]);
    // No other is better.
    assert_eq!(granted(&mut study, 1, 2, &[2]), [0]);
}

#[test]
fn lost_workers_end_a_trial_only_after_five_leases_without_progress() {
    let mut study = leased();
    let mut epoch = 0;
    for attempt in 1..=20 {
        assert_eq!(study.trial(FIRST).unwrap().state, TrialState::Running);
        // Every fifth lease brings one epoch: a slow trial on bad machines, but not a deadly one.
        if attempt % 5 == 0 && epoch < 4 {
            epoch += 1;
            let checkpoint = checkpoint(FIRST, epoch);
            send(&mut study, Input::Checkpointed { trial: FIRST, attempt: Attempt(attempt), checkpoint });
        }
        send(&mut study, Input::Lost { trial: FIRST, attempt: Attempt(attempt) });
        // With less to go than the other trial, it may be the second to be leased.
        send(&mut study, Input::alone(worker(1), 2));
    }
    for attempt in 21..=25 {
        send(&mut study, Input::Lost { trial: FIRST, attempt: Attempt(attempt) });
        if attempt < 25 {
            lease(&mut study);
        }
    }
    assert_eq!(study.trial(FIRST).unwrap().state, TrialState::Failed);
}

#[test]
fn a_value_that_is_not_finite_is_final() {
    let mut study = leased();
    let events = send(&mut study, finished(FIRST, 1, 9, f64::NAN, false));
    let value = Bits(f64::NAN);
    assert_eq!(events, [Event::NotFinite { trial: FIRST, attempt: Attempt(1), rung: 0, epochs: 9, value }]);
    let trial = study.trial(FIRST).unwrap();
    assert_eq!((trial.state, trial.value, trial.epochs), (TrialState::Failed, None, 9));
}

#[test]
fn an_early_stopped_trial_passes_every_later_rung_without_a_lease() {
    let (mut study, mut log) = begin(nine());
    log.extend(send(&mut study, Input::alone(worker(1), 99)));
    // Bracket 1 begins with five trials at 3 epochs; the best of them stopped after 2.
    for trial in 10..14 {
        log.extend(send(&mut study, finished(TrialNumber(trial), 1, 3, 0.1, false)));
    }
    let events = send(&mut study, finished(TrialNumber(9), 1, 2, 0.9, true));
    let carried = |rung| Event::RungFinished {
        trial: TrialNumber(9),
        attempt: Attempt(1),
        rung,
        epochs: 2,
        value: Bits(0.9),
        val_loss: Bits(1.0),
        checkpoint: checkpoint(TrialNumber(9), 2),
        early_stopped: true,
    };
    let expected = [
        carried(0),
        Event::Promoted { trial: TrialNumber(9), to_rung: 1 },
        Event::Cut { trial: TrialNumber(10) },
        carried(1),
        Event::Completed { trial: TrialNumber(9) },
    ];
    assert_eq!(events, expected);
    log.extend(events);
    assert_eq!(audit(&log), Vec::<String>::new());
}

#[test]
fn the_best_is_evaluated_and_the_study_ends() {
    let mut study = leased();
    send(&mut study, finished(FIRST, 1, 9, 0.5, false));
    lease(&mut study);
    let events = send(&mut study, finished(TrialNumber(1), 1, 9, 0.7, false));
    assert_eq!(events[1..], [Event::Completed { trial: TrialNumber(1) }]);
    assert_eq!((study.phase(), study.leasable()), (StudyPhase::Evaluating, 1));
    let best = checkpoint(TrialNumber(1), 9);
    assert_eq!(granted(&lease(&mut study)[0]), Work::Evaluate { checkpoint: best });
    assert_eq!(study.leasable(), 0);
    assert_eq!(lease(&mut study), []);
    let test = TestMetrics { accuracy: 0.88, loss: 0.4, clean: None };
    let input = Input::Evaluated {
        trial: TrialNumber(1),
        attempt: Attempt(2),
        test,
        probabilities: None,
        validation: None,
    };
    let events = send(&mut study, input.clone());
    let end = Event::Finished { complete: true, best: Some(TrialNumber(1)), at: Timestamp(5) };
    assert_eq!(events[1..], [end]);
    assert_eq!(study.best().unwrap().test(), Some(test));
    assert_eq!(study.trial(TrialNumber(1)).unwrap().state, TrialState::Completed);
    assert_eq!(send(&mut study, input), []);
}

#[test]
fn a_study_ends_without_a_test_result_when_evaluation_fails_three_times() {
    let mut study = leased();
    send(&mut study, finished(FIRST, 1, 9, 0.5, false));
    lease(&mut study);
    send(&mut study, finished(TrialNumber(1), 1, 9, 0.4, false));
    for attempt in 2..=4 {
        lease(&mut study);
        let reason = "killed".to_owned();
        send(&mut study, Input::Failed { trial: FIRST, attempt: Attempt(attempt), reason });
    }
    assert_eq!((study.phase(), study.complete()), (StudyPhase::Finished, Some(true)));
    assert_eq!((study.best().unwrap().number, study.best().unwrap().test()), (FIRST, None));
    assert_eq!(study.trial(FIRST).unwrap().state, TrialState::Completed);
}

#[test]
fn a_study_whose_trials_all_fail_ends_without_a_best() {
    let nature = Nature { not_finite: 100, ..Nature::default() };
    let (study, log) = play(nine(), &nature, 4);
    assert_eq!((study.complete(), study.best().is_none()), (Some(true), true));
    assert_eq!(audit(&log), Vec::<String>::new());
}

#[test]
fn a_study_that_plans_nothing_ends_at_once() {
    let mut asked = spec("");
    asked.budget.total_epochs = Some(80);
    let (study, log) = begin(asked);
    assert_eq!(log[1..], [Event::Finished { complete: true, best: None, at: Timestamp(0) }]);
    assert_eq!((study.phase(), study.finished()), (StudyPhase::Finished, Some(Timestamp(0))));
}

#[test]
fn a_pause_keeps_leases_back_and_takes_results() {
    let mut study = leased();
    assert_eq!(send(&mut study, Input::Pause), [Event::Paused { at: Timestamp(5) }]);
    assert_eq!(send(&mut study, Input::Pause), []);
    assert_eq!((lease(&mut study), study.leasable(), study.phase()), (vec![], 0, StudyPhase::Paused));
    assert_eq!(send(&mut study, finished(FIRST, 1, 9, 0.5, false)).len(), 2);
    assert_eq!(send(&mut study, Input::Resume), [Event::Resumed { at: Timestamp(5) }]);
    assert_eq!(lease(&mut study).len(), 2);
}

#[test]
fn the_best_stands_although_its_trial_fails_later() {
    let (mut study, mut log) = begin(spec(
        "space: {x: {int: [1, 1]}}\nscheduler: {kind: hyperband, max_epochs: 2, eta: 2}\nbudget: {max_trials: 1}",
    ));
    log.extend(lease(&mut study));
    log.extend(send(&mut study, finished(FIRST, 1, 1, 0.5, false)));
    assert!(study.needs(FIRST, &checkpoint(FIRST, 1)));
    log.extend(lease(&mut study));
    log.extend(send(
        &mut study,
        Input::NotFinite { trial: FIRST, attempt: Attempt(2), epochs: 2, value: f64::NAN },
    ));
    let best = *study.best_result().unwrap();
    assert_eq!((best.trial, best.epochs, best.value, best.checkpoint), (FIRST, 1, 0.5, checkpoint(FIRST, 1)));
    assert!(study.needs(FIRST, &best.checkpoint));
    let Event::Granted { trial, attempt, work, .. } = lease(&mut study)[0] else { panic!("no evaluation") };
    assert_eq!(work, Work::Evaluate { checkpoint: best.checkpoint });
    send(&mut study, done(&Nature::default(), trial, attempt, work));
    assert_eq!(study.phase(), StudyPhase::Finished);
}

#[test]
fn checkpoints_of_stopped_trials_are_needed_no_more() {
    let (mut study, _) = begin(nine());
    send(&mut study, Input::alone(worker(1), 9));
    for trial in 0..9 {
        send(&mut study, finished(TrialNumber(trial), 1, 1, f64::from(trial), false));
    }
    let needed: Vec<_> =
        (0..9).filter(|t| study.needs(TrialNumber(*t), &checkpoint(TrialNumber(*t), 1))).collect();
    assert_eq!(needed, [6, 7, 8]);
}
