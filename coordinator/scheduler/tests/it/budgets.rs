use std::time::Duration;

use common::{ids::TrialNumber, study::StudySpec, time::Timestamp, trial::TrialState, view::StudyPhase};
use scheduler::{EndReason, Event, Input, Study, audit::audit};

use crate::support::{Nature, begin, done, play, spec, worker};

const SECOND: u64 = 1_000;

fn nine(budget: &str) -> StudySpec {
    spec(&format!("scheduler: {{kind: hyperband, max_epochs: 9, eta: 3}}\nbudget: {{{budget}}}"))
}

fn lease(study: &mut Study, now: u64, most: u32) -> Vec<Event> {
    study.step(Timestamp(now), &Input::alone(worker(1), most)).unwrap()
}

/// Reports the result of a leased trial.
fn finish(study: &mut Study, now: u64, trial: u32) -> Vec<Event> {
    let trial = TrialNumber(trial);
    let lease = study.lease(trial).unwrap();
    let input = done(&Nature::default(), trial, lease.attempt, lease.work);
    study.step(Timestamp(now), &input).unwrap()
}

/// Ticks whenever the study asks for it, until a time; says when training ended.
fn tick_until(study: &mut Study, end: u64) -> Option<u64> {
    while let Some(deadline) = study.next_deadline().filter(|deadline| deadline.0 <= end) {
        let events = study.step(deadline, &Input::Tick).unwrap();
        assert!(!events.is_empty(), "a tick that is asked for does something");
        if events.iter().any(|event| matches!(event, Event::BudgetEnded { reason: EndReason::MaxTime, .. })) {
            return Some(deadline.0);
        }
    }
    None
}

#[test]
fn max_time_ends_training_on_the_second() {
    let (mut study, _) = begin(nine("max_time: 90"));
    assert_eq!(study.next_deadline(), None);
    lease(&mut study, 10 * SECOND, 3);
    finish(&mut study, 40 * SECOND, 0);
    assert_eq!(tick_until(&mut study, 200 * SECOND), Some(100 * SECOND));
    assert_eq!(study.active(Timestamp(500 * SECOND)), Duration::from_secs(90));
    assert_eq!((study.phase(), study.ended()), (StudyPhase::Evaluating, Some(EndReason::MaxTime)));
    assert_eq!(study.states()[TrialState::Stopped as usize], 3);
    lease(&mut study, 101 * SECOND, 1);
    finish(&mut study, 102 * SECOND, 0);
    assert_eq!((study.phase(), study.complete()), (StudyPhase::Finished, Some(false)));
    assert_eq!(study.best().unwrap().number, TrialNumber(0));
}

#[test]
fn pauses_idle_hours_and_downtime_do_not_count() {
    let (mut study, mut log) = begin(nine("max_time: 600"));
    log.extend(lease(&mut study, 0, 1));
    tick_until(&mut study, 100 * SECOND);
    log.extend(study.step(Timestamp(100 * SECOND), &Input::Pause).unwrap());
    assert_eq!(study.next_deadline(), None);
    log.extend(study.step(Timestamp(9_000 * SECOND), &Input::Resume).unwrap());
    assert_eq!(study.active(Timestamp(9_000 * SECOND)), Duration::from_secs(100));
    tick_until(&mut study, 9_100 * SECOND);
    // The coordinator is down for a day; the lease is still out when it is back.
    study.step(Timestamp(95_000 * SECOND), &Input::Tick).unwrap();
    assert_eq!(study.active(Timestamp(95_000 * SECOND)), Duration::from_secs(215));
    // The lease ends, and no worker is there for another day.
    finish(&mut study, 95_005 * SECOND, 0);
    tick_until(&mut study, 150_000 * SECOND);
    assert_eq!(study.next_deadline(), None);
    assert_eq!(study.active(Timestamp(180_000 * SECOND)), Duration::from_secs(225));
    lease(&mut study, 180_000 * SECOND, 1);
    assert_eq!(study.active(Timestamp(180_001 * SECOND)), Duration::from_secs(226));
}

#[test]
fn active_time_survives_a_restart() {
    let (mut study, mut log) = begin(nine("max_time: 600"));
    log.extend(lease(&mut study, 0, 1));
    for now in [10, 20, 30] {
        log.extend(study.step(Timestamp(now * SECOND), &Input::Tick).unwrap());
    }
    let again = Study::replay(&log).unwrap();
    assert_eq!(again, study);
    assert_eq!(again.active(Timestamp(31 * SECOND)), Duration::from_secs(31));
}

/// The driver may sleep until the deadline: after a tick the next one is always later.
#[test]
fn deadlines_never_stand_still() {
    for max_time in ["0.0005", "0.1", "1.0005", "7.77", "59.9999", "100000"] {
        let (mut study, _) = begin(nine(&format!("max_time: {max_time}")));
        lease(&mut study, 3, 17);
        while let Some(deadline) = study.next_deadline().filter(|deadline| deadline.0 < 300 * SECOND) {
            study.step(deadline, &Input::Tick).unwrap();
            assert!(study.next_deadline().is_none_or(|next| next > deadline));
            if study.phase() == StudyPhase::Evaluating {
                lease(&mut study, deadline.0, 1);
            }
        }
    }
}

#[test]
fn a_target_ends_training_with_the_result_that_reaches_it() {
    for (objective, target) in [("{metric: val_accuracy}", 0.8), ("{metric: val_loss}", 0.2)] {
        let more = format!("objective: {objective}\nbudget: {{target: {target}}}");
        let (study, log) = play(spec(&more), &Nature { seed: 5, ..Nature::default() }, 3);
        assert_eq!((study.ended(), study.complete()), (Some(EndReason::Target), Some(false)));
        let results: Vec<_> = log.iter().filter_map(value).collect();
        let reached = |value: &f64| {
            if target > 0.5 { *value >= target } else { *value <= target }
        };
        assert_eq!(results.iter().position(reached), Some(results.len() - 1));
        assert_eq!(audit(&log), Vec::<String>::new());
    }
}

/// A result of few epochs may reach the target after worse ones of more epochs.
#[test]
fn the_trial_that_reaches_the_target_is_the_best_whatever_its_rung() {
    let reaching = |value: f64| {
        let (mut study, mut log) = begin(nine("target: 0.5"));
        log.extend(lease(&mut study, 1, 17));
        let nature = Nature::default();
        for (trial, value) in [(16, 0.4), (0, value)] {
            let lease = study.lease(TrialNumber(trial)).unwrap();
            let Input::Finished { trial, attempt, epochs, val_loss, checkpoint, early_stopped, .. } =
                done(&nature, TrialNumber(trial), lease.attempt, lease.work)
            else {
                panic!("a lease to train ends with a result")
            };
            let input =
                Input::Finished { trial, attempt, epochs, value, val_loss, checkpoint, early_stopped };
            log.extend(study.step(Timestamp(2), &input).unwrap());
        }
        (study, log)
    };
    let (study, _) = reaching(0.45);
    assert_eq!(study.best().unwrap().number, TrialNumber(16), "below it, more epochs lead");

    let (mut study, mut log) = reaching(0.6);
    let reached = Some(TrialNumber(0));
    let end = Event::BudgetEnded { reason: EndReason::Target, reached, at: Timestamp(2) };
    assert!(log.contains(&end), "{log:?}");
    let best = *study.best_result().unwrap();
    assert_eq!((best.trial, best.value, best.epochs), (TrialNumber(0), 0.6, 1));
    assert!(study.needs(best.trial, &best.checkpoint), "its checkpoint is kept though the trial is stopped");

    // Its checkpoint is the one that is measured, and a restart says the same.
    log.extend(lease(&mut study, 3, 1));
    log.extend(finish(&mut study, 4, 0));
    assert_eq!(log.last(), Some(&Event::Finished { complete: false, best: reached, at: Timestamp(4) }));
    assert_eq!(Study::replay(&log).unwrap(), study);
    assert_eq!(audit(&log), Vec::<String>::new());
}

fn value(event: &Event) -> Option<f64> {
    match event {
        Event::RungFinished { value, .. } => Some(value.0),
        _ => None,
    }
}

#[test]
fn a_target_that_the_last_result_reaches_leaves_the_study_complete() {
    let listed = "scheduler: {kind: fixed, epochs: 2, trials: [{hparams: {x: 0.5}}]}\nbudget: {target: -1.0}";
    let (study, _) = play(spec(listed), &Nature::default(), 1);
    assert_eq!((study.ended(), study.complete()), (None, Some(true)));
}

#[test]
fn a_stop_revokes_leases_and_evaluates_the_best_of_the_highest_rung() {
    let (mut study, mut log) = begin(nine(""));
    log.extend(lease(&mut study, 1, 17));
    for trial in [16, 9, 10, 11, 12, 13] {
        log.extend(finish(&mut study, 2, trial));
    }
    let events = study.step(Timestamp(3), &Input::Stop).unwrap();
    assert_eq!(
        events[0],
        Event::BudgetEnded { reason: EndReason::Requested, reached: None, at: Timestamp(3) }
    );
    // Trial 16 finished its bracket, so it has completed; what was under way or waited is cut.
    let cuts = events.iter().filter(|event| matches!(event, Event::Cut { .. })).count();
    assert_eq!(cuts, 9 + 2 + 1);
    log.extend(events);
    assert_eq!((study.leases().count(), study.best().unwrap().number), (0, TrialNumber(16)));
    log.extend(lease(&mut study, 4, 1));
    log.extend(finish(&mut study, 5, 16));
    assert_eq!(
        log.last(),
        Some(&Event::Finished { complete: false, best: Some(TrialNumber(16)), at: Timestamp(5) })
    );
    assert_eq!(audit(&log), Vec::<String>::new());
}

#[test]
fn a_stop_in_a_pause_still_ends_the_study() {
    let (mut study, _) = begin(nine(""));
    lease(&mut study, 1, 1);
    finish(&mut study, 2, 0);
    study.step(Timestamp(3), &Input::Pause).unwrap();
    study.step(Timestamp(4), &Input::Stop).unwrap();
    assert_eq!((study.phase(), study.leasable()), (StudyPhase::Evaluating, 1));
}
