use common::{
    ids::{Attempt, TrialNumber},
    metrics::TestMetrics,
    time::Timestamp,
};
use scheduler::{Input, Refusal, Study};

use crate::support::{begin, checkpoint, spec, worker};

const FIRST: TrialNumber = TrialNumber(0);

/// A study whose trial 0 was lost once and is leased again.
fn leased_twice() -> Study {
    let (mut study, _) = begin(spec("scheduler: {kind: fixed, epochs: 9, trials: [{hparams: {x: 0.5}}]}"));
    for input in [ask(), Input::Lost { trial: FIRST, attempt: Attempt(1) }, ask()] {
        study.step(Timestamp(1), &input).unwrap();
    }
    study
}

fn ask() -> Input {
    Input::alone(worker(1), 1)
}

fn finished(attempt: u64, epochs: u32, value: f64) -> Input {
    let checkpoint = checkpoint(FIRST, epochs);
    let (trial, attempt, early_stopped) = (FIRST, Attempt(attempt), false);
    Input::Finished { trial, attempt, epochs, value, val_loss: 1.0, checkpoint, early_stopped }
}

/// All messages about an attempt.
fn messages(attempt: Attempt) -> Vec<Input> {
    let trial = FIRST;
    vec![
        Input::Checkpointed { trial, attempt, checkpoint: checkpoint(FIRST, 5) },
        finished(attempt.0, 9, 0.9),
        Input::NotFinite { trial, attempt, epochs: 5, value: f64::NAN },
        Input::Released { trial, attempt, checkpoint: None },
        Input::Failed { trial, attempt, reason: "killed".to_owned() },
        Input::Evaluated {
            trial,
            attempt,
            test: TestMetrics { accuracy: 1.0, loss: 0.0, clean: None },
            probabilities: None,
            validation: None,
        },
    ]
}

#[test]
fn only_the_current_attempt_is_heard() {
    for (attempt, current) in [(1, Some(Attempt(2))), (3, Some(Attempt(2)))] {
        let mut study = leased_twice();
        let before = study.clone();
        for input in messages(Attempt(attempt)) {
            let refusal = Refusal::StaleLease { trial: FIRST, attempt: Attempt(attempt), current };
            assert_eq!(study.step(Timestamp(2), &input), Err(refusal), "{input:?}");
            assert_eq!(study, before);
        }
    }
}

#[test]
fn what_ended_a_lease_may_be_said_again() {
    let ends = |attempt: u64| messages(Attempt(attempt)).into_iter().skip(1).take(4);
    for input in ends(2).chain([Input::Lost { trial: FIRST, attempt: Attempt(2) }]) {
        let mut study = leased_twice();
        assert!(!study.step(Timestamp(2), &input).unwrap().is_empty());
        let before = study.clone();
        for _ in 0..3 {
            assert_eq!(study.step(Timestamp(3), &input), Ok(vec![]), "{input:?}");
            assert_eq!(study, before);
        }
        // Another end of the same lease is something new, and comes too late. (NaN is not equal to itself.)
        for other in ends(2).filter(|other| format!("{other:?}") != format!("{input:?}")) {
            let refusal = Refusal::StaleLease { trial: FIRST, attempt: Attempt(2), current: None };
            assert_eq!(study.step(Timestamp(3), &other), Err(refusal), "{input:?}, then {other:?}");
            assert_eq!(study, before);
        }
    }
}

#[test]
fn a_checkpoint_that_is_overtaken_is_no_news() {
    let mut study = leased_twice();
    let at = |epoch| Input::Checkpointed {
        trial: FIRST,
        attempt: Attempt(2),
        checkpoint: checkpoint(FIRST, epoch),
    };
    assert_eq!(study.step(Timestamp(2), &at(5)).unwrap().len(), 1);
    assert_eq!(study.step(Timestamp(2), &at(3)), Ok(vec![]));
    assert_eq!(study.step(Timestamp(2), &at(5)), Ok(vec![]));
    study.step(Timestamp(3), &finished(2, 9, 0.9)).unwrap();
    assert_eq!(study.step(Timestamp(4), &at(7)), Ok(vec![]));
}

#[test]
fn a_report_of_something_else_is_refused_in_words() {
    let study = leased_twice();
    let refusal = |input| study.decide(Timestamp(2), &input).unwrap_err().to_string();
    let (trial, attempt) = (FIRST, Attempt(2));
    assert_eq!(
        refusal(finished(2, 8, 0.9)),
        "attempt 2 of trial 0 reports epoch 8, but the lease is for epochs 0 to 9"
    );
    let late = Input::Checkpointed { trial, attempt, checkpoint: checkpoint(FIRST, 10) };
    assert_eq!(refusal(late), "attempt 2 of trial 0 reports epoch 10, but the lease is for epochs 0 to 9");
    let test = TestMetrics { accuracy: 1.0, loss: 0.0, clean: None };
    let evaluated = Input::Evaluated { trial, attempt, test, probabilities: None, validation: None };
    assert_eq!(
        refusal(evaluated),
        "attempt 2 of trial 0 reports an evaluation, but the lease is for training"
    );
    let Input::Finished { trial, attempt, epochs, value, val_loss, early_stopped, .. } = finished(2, 9, 0.9)
    else {
        unreachable!();
    };
    let checkpoint = checkpoint(FIRST, 4);
    let torn = Input::Finished { trial, attempt, epochs, value, val_loss, checkpoint, early_stopped };
    assert_eq!(refusal(torn), "attempt 2 of trial 0 reports epoch 9 with a checkpoint of epoch 4");
    let unknown = Input::Lost { trial: TrialNumber(7), attempt };
    assert_eq!(refusal(unknown), "trial 7 has not started");
    assert_eq!(refusal(finished(1, 9, 0.9)), "attempt 1 of trial 0 is not current: 2 is");
}

#[test]
fn leases_are_revoked_when_training_ends() {
    let mut study = leased_twice();
    study.step(Timestamp(2), &Input::Stop).unwrap();
    let refusal = Refusal::StaleLease { trial: FIRST, attempt: Attempt(2), current: None };
    assert_eq!(study.step(Timestamp(3), &finished(2, 9, 0.9)), Err(refusal));
    assert_eq!(study.leases().count(), 0);
    assert_eq!(study.step(Timestamp(3), &Input::Stop), Ok(vec![]));
    assert_eq!(study.step(Timestamp(3), &Input::Pause), Err(Refusal::AlreadyEnded));
    assert_eq!(study.step(Timestamp(3), &ask()), Ok(vec![]));
}
