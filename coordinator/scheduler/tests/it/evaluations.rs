use common::{
    checkpoint::Digest,
    evaluation::Scored,
    ids::TrialNumber,
    metrics::{Bits, TestMetrics},
    study::StudySpec,
    time::Timestamp,
    trial::TrialState,
    view::StudyPhase,
};
use proptest::prelude::*;
use scheduler::{Event, Input, Study, Work, audit::audit};

use crate::support::{Nature, Storm, Weather, begin, checkpoint, done, play, spec, table, worker};

fn repeats() -> StudySpec {
    spec(
        "evaluate: all\nscheduler: {kind: fixed, epochs: 9, trials: [{hparams: {x: 1}}, {hparams: {x: 2}}, \
         {hparams: {x: 3}}]}",
    )
}

/// Three trials that trials 5, 3 and 8 of a parent study are.
fn adopted() -> StudySpec {
    let trial = |number: u32, value: f64| {
        let trained = checkpoint(TrialNumber(number), number);
        let (weights, state) = (trained.weights, trained.state);
        let trained =
            format!("trial: {number}, value: {value}, epoch: {number}, weights: {weights}, state: {state}");
        format!("{{hparams: {{x: {number}}}, trained: {{{trained}}}}}")
    };
    let trials = [trial(5, 0.9), trial(3, 0.9), trial(8, 0.8)].join(", ");
    spec(&format!(
        "evaluate: all\nparent: 0a1b2c3d\nscheduler: {{kind: fixed, epochs: 9, trials: [{trials}]}}"
    ))
}

fn lease(study: &mut Study, most: u32) -> Vec<Event> {
    study.step(Timestamp(1), &Input::alone(worker(0), most)).unwrap()
}

fn finish(study: &mut Study, trial: u32) -> Vec<Event> {
    let (trial, lease) = (TrialNumber(trial), study.lease(TrialNumber(trial)).unwrap());
    let events =
        study.step(Timestamp(2), &done(&Nature::default(), trial, lease.attempt, lease.work)).unwrap();
    assert_eq!(study.violations(), Vec::<String>::new());
    events
}

fn measured(events: &[Event]) -> Vec<u32> {
    let trial = |event: &Event| match event {
        Event::Granted { trial, work: Work::Evaluate { .. }, .. } => Some(trial.0),
        _ => None,
    };
    events.iter().filter_map(trial).collect()
}

#[test]
fn every_completed_trial_is_measured_and_counted() {
    let (mut study, _) = begin(repeats());
    lease(&mut study, 3);
    finish(&mut study, 0);
    finish(&mut study, 1);
    assert_eq!((study.phase(), study.leasable()), (StudyPhase::Running, 0));
    finish(&mut study, 2);
    assert_eq!((study.phase(), study.leasable()), (StudyPhase::Evaluating, 3));
    let best = study.best().unwrap().number.0;
    let first = measured(&lease(&mut study, 2));
    assert_eq!((first.len(), first[0], study.leasable()), (2, best, 1));
    let lost = Input::Lost {
        trial: TrialNumber(best),
        attempt: study.trial(TrialNumber(best)).unwrap().last_attempt,
    };
    study.step(Timestamp(2), &lost).unwrap();
    finish(&mut study, first[1]);
    assert_eq!((study.test_touches(), study.leasable()), (1, 2));
    let rest = measured(&lease(&mut study, 9));
    assert_eq!((rest.len(), rest[0]), (2, best));
    finish(&mut study, rest[0]);
    assert_eq!(study.phase(), StudyPhase::Evaluating);
    finish(&mut study, rest[1]);
    assert_eq!((study.phase(), study.test_touches()), (StudyPhase::Finished, 3));
    assert!(
        study.trials().all(|trial| trial.evaluation.is_some_and(|e| e.epoch == 9 && e.validation.is_some()))
    );
}

#[test]
fn a_trial_that_cannot_be_measured_is_given_up_and_the_others_are_measured() {
    let (mut study, _) = begin(repeats());
    lease(&mut study, 3);
    (0..3).for_each(|trial| drop(finish(&mut study, trial)));
    for _ in 0..3 {
        lease(&mut study, 3);
        let (trial, attempt) = (TrialNumber(1), study.trial(TrialNumber(1)).unwrap().last_attempt);
        study.step(Timestamp(2), &Input::Failed { trial, attempt, reason: "killed".to_owned() }).unwrap();
    }
    assert_eq!(study.leasable(), 0);
    finish(&mut study, 0);
    finish(&mut study, 2);
    assert_eq!(
        (study.phase(), study.complete(), study.test_touches()),
        (StudyPhase::Finished, Some(true), 2)
    );
    assert_eq!(study.trial(TrialNumber(1)).unwrap().evaluation, None);
}

#[test]
fn what_cannot_be_measured_on_a_worker_is_measured_on_another_where_there_is_one() {
    let (mut study, _) = begin(repeats());
    lease(&mut study, 3);
    (0..3).for_each(|trial| drop(finish(&mut study, trial)));
    let room = |study: &mut Study, asks: u32, other: u32| {
        let others = [worker(other)].into();
        let ask = Input::Lease { worker: worker(asks), most: 3, others };
        measured(&study.step(Timestamp(1), &ask).unwrap())
    };
    let first = room(&mut study, 0, 1);
    assert_eq!(first.len(), 3);
    for number in &first {
        let (trial, attempt) =
            (TrialNumber(*number), study.trial(TrialNumber(*number)).unwrap().last_attempt);
        study.step(Timestamp(2), &Input::Failed { trial, attempt, reason: "killed".to_owned() }).unwrap();
    }
    assert_eq!(study.leasable(), 3);
    assert_eq!(room(&mut study, 0, 1), [0; 0]);
    assert_eq!(room(&mut study, 1, 0), first);
}

#[test]
fn trials_of_the_parent_are_taken_over_and_only_measured() {
    let (mut study, mut log) = begin(adopted());
    assert_eq!((study.phase(), study.leasable()), (StudyPhase::Evaluating, 3));
    assert_eq!((study.epochs(), study.planned_epochs()), (0, 0));
    let trained = checkpoint(TrialNumber(5), 5);
    let taken = Event::Adopted { trial: TrialNumber(0), value: Bits(0.9), checkpoint: trained };
    assert_eq!(log[2], taken);
    assert!(study.trials().all(|trial| trial.state == TrialState::Completed));
    assert_eq!(study.best().unwrap().number, TrialNumber(0), "of equal values the first counts");
    assert!(study.needs(TrialNumber(0), &trained));
    log.extend(lease(&mut study, 9));
    assert_eq!(study.lease(TrialNumber(0)).unwrap().work, Work::Evaluate { checkpoint: trained });
    (0..3).for_each(|trial| log.extend(finish(&mut study, trial)));
    assert_eq!((study.phase(), study.complete()), (StudyPhase::Finished, Some(true)));
    let evaluation = study.trial(TrialNumber(2)).unwrap().evaluation.unwrap();
    let validation = Scored {
        metrics: TestMetrics { accuracy: 0.5, loss: 1.5, clean: None },
        probabilities: Some(Digest::of(&2_u32.to_le_bytes())),
    };
    assert_eq!((evaluation.epoch, evaluation.validation), (8, Some(validation)));
    assert_eq!(audit(&log), Vec::<String>::new());
    assert_eq!(Study::replay(&log).unwrap(), study);
}

#[test]
fn the_audit_notices_evaluations_that_do_not_fit() {
    let (_, log) = play(repeats(), &Nature::default(), 1);
    assert_eq!(audit(&log), Vec::<String>::new());
    for index in 0..log.len() {
        let mut without = log.clone();
        without.remove(index);
        let last = matches!(log[index], Event::Finished { .. });
        assert!(last || !audit(&without).is_empty(), "event {index} is left out: {:?}", log[index]);
    }
    let (_, log) = play(adopted(), &Nature::default(), 1);
    let none = log.iter().filter(|event| !matches!(event, Event::Adopted { .. }));
    assert!(!audit(none).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to workers and messages, the parent's trials are measured once each.
    #[test]
    fn weather_does_not_change_what_is_measured(
        seed in any::<u64>(),
        workers in 1..6_u32,
        (lost, repeated, pauses) in (0..50_u32, 0..50_u32, 0..10_u32),
    ) {
        let (calm, _) = play(adopted(), &Nature::default(), 1);
        let weather = Weather { seed, workers, lost, checkpoints: 0, repeated, pauses };
        let storm = Storm::play(adopted(), Nature::default(), weather);
        prop_assert_eq!(table(&calm), table(&storm.study));
        prop_assert_eq!(storm.study.test_touches(), 3);
        prop_assert_eq!(&Study::replay(&storm.log).unwrap(), &storm.study);
    }
}

#[test]
fn a_stop_in_a_pause_after_training_lets_the_study_end() {
    let (mut study, _) = begin(repeats());
    lease(&mut study, 3);
    (0..3).for_each(|trial| drop(finish(&mut study, trial)));
    study.step(Timestamp(3), &Input::Pause).unwrap();
    assert_eq!(lease(&mut study, 3), []);
    assert_eq!(study.step(Timestamp(4), &Input::Stop).unwrap(), [Event::Resumed { at: Timestamp(4) }]);
    assert_eq!(study.step(Timestamp(5), &Input::Stop).unwrap(), []);
    lease(&mut study, 3);
    (0..3).for_each(|trial| drop(finish(&mut study, trial)));
    assert_eq!((study.phase(), study.complete()), (StudyPhase::Finished, Some(true)));
}
