use std::path::Path;

use common::{
    checkpoint::Digest,
    ids::{Attempt, TrialNumber},
    metrics::{Bits, TestMetrics},
    time::Timestamp,
    view::StudyPhase,
};
use scheduler::{EndReason, Event, LOG_VERSION, Plan, ReplayError, ScoredBits, Study, Work, audit::audit};

use crate::support::{Nature, Storm, Weather, begin, checkpoint, spec, worker};

/// One event of every kind, with what JSON would lose.
fn all() -> Vec<Event> {
    let (trial, attempt, at) = (TrialNumber(7), Attempt(2), Timestamp(1_795_442_709_123));
    let checkpoint = checkpoint(trial, 3);
    let reason = "out of memory".to_owned();
    let hparams =
        [("units", common::hparams::Scalar::Int(64)), ("lr", common::hparams::Scalar::Float(0.1 + 0.2))]
            .into();
    let train = Work::Train { from_epoch: 1, to_epoch: 3, resume: Some(checkpoint) };
    let test = TestMetrics { accuracy: 0.9, loss: f64::INFINITY, clean: None }.into();
    let (value, val_loss) = (Bits(0.1), Bits(f64::NAN));
    vec![
        Event::Created {
            version: LOG_VERSION,
            spec: Box::new(spec("budget: {max_time: 2h}")),
            plan: None,
            at,
        },
        Event::Drawn { trial, hparams, seed: 3 },
        Event::DrawsEnded { from: trial },
        Event::Granted { trial, attempt, worker: worker(1), work: train, at },
        Event::Granted { trial, attempt, worker: worker(1), work: Work::Evaluate { checkpoint }, at },
        Event::Checkpointed { trial, attempt, checkpoint },
        Event::RungFinished {
            trial,
            attempt,
            rung: 1,
            epochs: 3,
            value,
            val_loss,
            checkpoint,
            early_stopped: true,
        },
        Event::NotFinite { trial, attempt, rung: 1, epochs: 3, value: val_loss },
        Event::Released { trial, attempt, checkpoint: None },
        Event::LeaseLost { trial, attempt },
        Event::AttemptFailed { trial, attempt, reason: reason.clone() },
        Event::TrialFailed { trial, reason },
        Event::Promoted { trial, to_rung: 2 },
        Event::Cut { trial },
        Event::Completed { trial },
        Event::Evaluated { trial, attempt, test, probabilities: Some(Digest::of(b"p")), validation: None },
        Event::Paused { at },
        Event::Resumed { at },
        Event::Ticked { at },
        Event::BudgetEnded { reason: EndReason::Target, reached: None, at },
        Event::Finished { complete: false, best: Some(trial), at },
        Event::Adopted { trial, value, checkpoint },
        Event::Evaluated {
            trial,
            attempt,
            test,
            probabilities: None,
            validation: Some(ScoredBits { metrics: test, probabilities: Some(Digest::of(b"v")) }),
        },
    ]
}

/// The guard of the format: what version 1 wrote is read for ever, and is still written the same way.
///
/// `RUNG_WRITE_SAMPLE=1` writes both files anew, which is right only before a release has written such logs.
fn stored(name: &str, write: impl Fn() -> Vec<Event>) -> Vec<Event> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let line = |event: &Event| serde_json::to_string(event).unwrap() + "\n";
    if std::env::var_os("RUNG_WRITE_SAMPLE").is_some() {
        std::fs::write(&file, write().iter().map(line).collect::<String>()).unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (event, written) in events.iter().zip(text.lines()) {
        // A study may gain fields, whose defaults are then written too.
        if !matches!(event, Event::Created { .. }) {
            assert_eq!(line(event).trim_end(), written);
        }
    }
    events
}

#[test]
fn every_kind_of_event_is_read_as_it_was_written() {
    assert_eq!(stored("events-v1.jsonl", all), all());
}

#[test]
fn fields_that_came_later_are_kept_where_they_are_set() {
    let reached = Some(TrialNumber(3));
    let event = Event::BudgetEnded { reason: EndReason::Target, reached, at: Timestamp(5) };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(text, r#"{"budget_ended":{"reason":"target","reached":3,"at":5}}"#);
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}

#[test]
fn the_sample_log_is_read() {
    let log = stored("log-v1.jsonl", || sample().log);
    let study = Study::replay(&log).unwrap();
    assert_eq!((study.phase(), study.complete()), (StudyPhase::Finished, Some(true)));
    assert_eq!(study.epochs(), 56);
    assert_eq!(study.states(), [0, 0, 0, 10, 4, 3]);
    assert_eq!(study.best().unwrap().number, TrialNumber(14));
    assert_eq!(audit(&log), Vec::<String>::new());
}

/// A study to which nearly everything has happened.
fn sample() -> Storm {
    let nature = Nature { seed: 11, not_finite: 10, deadly: 8, early: 30, steps: 0 };
    let space = "space: {x: {float: [0.0, 1.0]}, depth: {int: [1, 4]}, kind: {choice: [a, b]}}";
    let more = "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\nbudget: {max_time: 10m}";
    let spec = spec(&format!("{space}\n{more}"));
    let play = |seed| {
        let weather = Weather { seed, workers: 4, lost: 12, checkpoints: 20, repeated: 10, pauses: 8 };
        Storm::play(spec.clone(), nature, weather)
    };
    let has = |storm: &Storm, is: fn(&Event) -> bool| storm.log.iter().any(is);
    let full = |storm: &Storm| {
        has(storm, |event| matches!(event, Event::Resumed { .. }))
            && has(storm, |event| matches!(event, Event::Ticked { .. }))
            && has(storm, |event| matches!(event, Event::TrialFailed { .. }))
            && has(storm, |event| matches!(event, Event::Released { checkpoint: Some(_), .. }))
    };
    (0..).map(play).find(full).unwrap()
}

#[test]
fn a_log_that_makes_no_sense_is_refused() {
    let (_, log) = begin(spec(""));
    let replay = |events: &[Event]| Study::replay(events).unwrap_err();
    assert_eq!(replay(&[]), ReplayError::NoBeginning);
    assert_eq!(replay(&all()[1..]), ReplayError::NoBeginning);
    let Event::Created { spec, at, .. } = log[0].clone() else { unreachable!() };
    let newer = Event::Created { version: LOG_VERSION + 1, spec, plan: None, at };
    assert_eq!(replay(&[newer]), ReplayError::TooNew { version: LOG_VERSION + 1 });
    assert_eq!(replay(&[log[0].clone(), log[0].clone()]), ReplayError::Misplaced { index: 1 });
    assert_eq!(
        replay(&[log[0].clone(), Event::Cut { trial: TrialNumber(0) }]),
        ReplayError::Misplaced { index: 1 }
    );
}

/// A release whose arithmetic differs goes on with the plan that the study began with.
#[test]
fn a_study_keeps_the_plan_of_its_beginning() {
    let Event::Created { version, spec: asked, plan, at } = begin(spec("")).1[0].clone() else {
        unreachable!()
    };
    let planned = Plan::of(&asked);
    assert_eq!(plan.as_deref(), Some(&planned));
    let other = Plan::of(&spec("budget: {max_trials: 3}"));
    assert_ne!(other, planned);
    let created = |plan| Event::Created { version, spec: asked.clone(), plan, at };
    let text = serde_json::to_string(&created(Some(Box::new(other.clone())))).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), created(Some(Box::new(other.clone()))));
    let kept = Study::replay(&[created(Some(Box::new(other.clone())))]).unwrap();
    assert_eq!(kept.plan(), &other);
    assert_eq!(Study::replay(&[created(None)]).unwrap().plan(), &planned);
}

/// Every event that is left out, or comes twice, is noticed.
#[test]
fn the_audit_notices_what_does_not_fit() {
    let log = sample().log;
    assert_eq!(audit(&log), Vec::<String>::new());
    for index in 0..log.len() {
        if matches!(log[index], Event::Ticked { .. } | Event::Paused { .. } | Event::Resumed { .. }) {
            continue;
        }
        let mut twice = log.clone();
        twice.insert(index, log[index].clone());
        assert!(!audit(&twice).is_empty(), "event {index} comes twice: {:?}", log[index]);
        let mut without = log.clone();
        without.remove(index);
        let harmless = matches!(log[index], Event::Finished { .. } | Event::Checkpointed { .. })
            || matches!(log[index], Event::Released { .. } | Event::LeaseLost { .. });
        assert!(harmless || !audit(&without).is_empty(), "event {index} is left out: {:?}", log[index]);
    }
}
