use common::{
    ids::{Attempt, TrialNumber},
    study::{PromotionMode, SchedulerSpec, StudySpec},
    time::Timestamp,
    trial::TrialState,
    view::StudyPhase,
};
use proptest::prelude::*;
use scheduler::{Event, Input, Study, audit::audit};

use crate::support::{Nature, Storm, Weather, begin, checkpoint, play, promoted, spec, table, worker};

fn mode(mut spec: StudySpec, mode: PromotionMode) -> StudySpec {
    if let SchedulerSpec::Hyperband(hyperband) = &mut spec.scheduler {
        hyperband.mode = mode;
    }
    spec
}

fn sized(max_epochs: u32, eta: u32, sizes: &str) -> StudySpec {
    spec(&format!("scheduler: {{kind: hyperband, max_epochs: {max_epochs}, eta: {eta}, sizes: {sizes}}}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    /// The set of promoted trials is the synchronous one for every arrival order and any share of failures.
    #[test]
    fn early_promotes_whom_a_barrier_would(
        (max_epochs, eta) in prop_oneof![Just((9, 3)), Just((16, 2)), Just((27, 3)), Just((20, 4)), Just((13, 2))],
        sizes in prop_oneof![Just("algorithm1"), Just("table1"), Just("keras")],
        seeds in any::<(u64, u64, u64)>(),
        (not_finite, deadly) in prop_oneof![Just((0, 0)), Just((10, 10)), Just((50, 0)), Just((90, 5)), Just((0, 97))],
        early in prop_oneof![Just(0), Just(40)],
        workers in 1..30_u32,
    ) {
        let nature = Nature { seed: seeds.0, not_finite, deadly, early, steps: 6 };
        let weather = |seed| Weather { seed, workers, lost: 10, checkpoints: 10, ..Weather::default() };
        let spec = sized(max_epochs, eta, sizes);
        let eager = Storm::play(mode(spec.clone(), PromotionMode::Early), nature, weather(seeds.1));
        let patient = Storm::play(mode(spec, PromotionMode::Barrier), nature, weather(seeds.2));
        prop_assert_eq!(promoted(&eager.log), promoted(&patient.log));
        prop_assert_eq!(table(&eager.study), table(&patient.study));
    }
}

/// Sizes 12, 4, 1 with ten failures: two reach rung 1, one of them rung 2, and nothing waits.
#[test]
fn failures_leave_places_empty_and_block_nothing() {
    for mode_ in [PromotionMode::Early, PromotionMode::Barrier] {
        let (mut study, mut log) = begin(mode(sized(27, 3, "algorithm1"), mode_));
        let bracket = study.plan().brackets()[1].clone();
        assert_eq!(bracket.rungs.iter().map(|rung| rung.configs).collect::<Vec<_>>(), [12, 4, 1]);
        let failing = bracket.first.0 + 2..bracket.first.0 + 12;
        let mut now = 1;
        while study.phase() == StudyPhase::Running {
            now += 1;
            assert!(now < 100, "something waits");
            log.extend(study.step(Timestamp(now), &Input::alone(worker(1), 99)).unwrap());
            for input in results(&study, |trial| (!failing.contains(&trial)).then_some(f64::from(trial))) {
                log.extend(study.step(Timestamp(now), &input).unwrap());
            }
        }
        let own = |to_rung| {
            promoted(&log).iter().filter(|(t, to)| *to == to_rung && (27..39).contains(&t.0)).count()
        };
        assert_eq!((bracket.first.0, own(1), own(2)), (27, 2, 1), "{mode_:?}");
        let states: Vec<_> = study.trials().skip(27).take(12).map(|trial| trial.state).collect();
        assert_eq!(states[..2], [TrialState::Stopped, TrialState::Completed]);
        assert_eq!(states[2..], [TrialState::Failed; 10]);
        assert_eq!(audit(&log), Vec::<String>::new());
    }
}

/// What leases that are out report, by trial: a value, or NaN.
fn results(study: &Study, value: impl Fn(u32) -> Option<f64>) -> Vec<Input> {
    let report = |(trial, attempt, to)| match value(trial) {
        Some(value) => finished(trial, attempt, to, value),
        None => Input::NotFinite { trial: TrialNumber(trial), attempt, epochs: to, value: f64::NAN },
    };
    let leases = study.leases().filter_map(|(trial, lease)| match lease.work {
        scheduler::Work::Train { to_epoch, .. } => Some((trial.0, lease.attempt, to_epoch)),
        scheduler::Work::Evaluate { .. } => None,
    });
    leases.map(report).collect()
}

fn finished(trial: u32, attempt: Attempt, epochs: u32, value: f64) -> Input {
    let trial = TrialNumber(trial);
    let checkpoint = checkpoint(trial, epochs);
    Input::Finished { trial, attempt, epochs, value, val_loss: 1.0, checkpoint, early_stopped: false }
}

/// R=9: nine places and a quota of three, so a trial with six results below it is safe, and one with three above is
/// stopped.
#[test]
fn a_promotion_comes_as_soon_as_it_is_certain_and_not_before() {
    let (mut study, _) = begin(sized(9, 3, "algorithm1"));
    study.step(Timestamp(1), &Input::alone(worker(1), 9)).unwrap();
    let mut said = Vec::new();
    for (trial, value) in
        [(4, 0.9), (0, 0.1), (1, 0.2), (2, 0.3), (3, 0.15), (5, 0.25), (6, 0.35), (7, 0.95), (8, 0.05)]
    {
        let events = study.step(Timestamp(2), &finished(trial, Attempt(1), 1, value)).unwrap();
        let decided = |event: &Event| match *event {
            Event::Promoted { trial, .. } => Some(format!("+{trial}")),
            Event::Cut { trial } => Some(format!("-{trial}")),
            _ => None,
        };
        said.push(events.iter().filter_map(decided).collect::<Vec<_>>().join(" "));
    }
    // Trial 4 leads from the start, but is safe only once six results are below it.
    assert_eq!(said, ["", "", "", "-0", "-3", "-1", "+4 -5", "+7 -2", "+6 -8"]);
}

#[test]
fn a_failure_counts_as_a_result_below_all_others() {
    let (mut study, _) = begin(sized(9, 3, "algorithm1"));
    study.step(Timestamp(1), &Input::alone(worker(1), 9)).unwrap();
    study.step(Timestamp(2), &finished(0, Attempt(1), 1, 0.5)).unwrap();
    let mut events = Vec::new();
    for trial in 1..7 {
        let trial = TrialNumber(trial);
        let input = Input::NotFinite { trial, attempt: Attempt(1), epochs: 1, value: f64::INFINITY };
        events = study.step(Timestamp(3), &input).unwrap();
    }
    assert!(events.contains(&Event::Promoted { trial: TrialNumber(0), to_rung: 1 }));
}

#[test]
fn a_barrier_waits_for_the_whole_rung() {
    let (mut study, mut log) = begin(mode(sized(9, 3, "algorithm1"), PromotionMode::Barrier));
    log.extend(study.step(Timestamp(1), &Input::alone(worker(1), 9)).unwrap());
    for trial in 0..8 {
        log.extend(study.step(Timestamp(2), &finished(trial, Attempt(1), 1, f64::from(trial))).unwrap());
        assert!(promoted(&log).is_empty());
    }
    log.extend(study.step(Timestamp(2), &finished(8, Attempt(1), 1, 8.0)).unwrap());
    let chosen: Vec<_> = promoted(&log).iter().map(|(trial, _)| trial.0).collect();
    assert_eq!(chosen, [6, 7, 8]);
}

#[test]
fn nearly_all_failing_still_ends() {
    for seed in 0..40 {
        let nature = Nature { seed, not_finite: 60, deadly: 35, ..Nature::default() };
        let (study, log) = play(sized(81, 3, "algorithm1"), &nature, 10);
        assert_eq!(study.complete(), Some(true));
        assert_eq!(audit(&log), Vec::<String>::new());
    }
}
