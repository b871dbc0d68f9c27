use proptest::prelude::*;
use scheduler::Study;

use crate::support::{Nature, Storm, Weather, play, spec, table};

const STUDIES: [&str; 7] = [
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}",
    "scheduler: {kind: hyperband, max_epochs: 16, eta: 2, sizes: keras}",
    "scheduler: {kind: hyperband, max_epochs: 27, eta: 3, iterations: 2}\nobjective: {metric: val_loss}",
    "space: {x: {int: [1, 30]}}\nscheduler: {kind: hyperband, max_epochs: 27, eta: 3}\nsampler: {kind: grid}",
    "scheduler: {kind: fixed, epochs: 12, trials: [{hparams: {x: 0.1}}, {hparams: {x: 0.2}, seed: 7}]}",
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\nevaluate: all",
    "scheduler: {kind: fixed, epochs: 3, trials: [{hparams: {x: 1}}, {hparams: {x: 2}}, {hparams: {x: 3}}]}\nevaluate: all",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any number of workers, lost leases, drained workers, pauses, and messages that come late, twice or out of
    /// order: the same result table, and the log replays to the same state.
    #[test]
    fn weather_does_not_change_the_result(
        study in 0..STUDIES.len(),
        seeds in any::<(u64, u64)>(),
        (not_finite, deadly, early) in prop_oneof![Just((0, 0, 0)), Just((10, 5, 20)), Just((40, 30, 60))],
        workers in 1..20_u32,
        (lost, checkpoints, repeated, pauses) in (0..60_u32, 0..30_u32, 0..50_u32, 0..5_u32),
    ) {
        let spec = spec(&format!("{}\nseed: {}", STUDIES[study], seeds.0 >> 11));
        let nature = Nature { seed: seeds.0, not_finite, deadly, early, steps: 5 };
        let (calm, _) = play(spec.clone(), &nature, 1);
        let weather = Weather { seed: seeds.1, workers, lost, checkpoints, repeated, pauses };
        let storm = Storm::play(spec, nature, weather);
        prop_assert_eq!(table(&calm), table(&storm.study));
        prop_assert_eq!(calm.epochs(), storm.study.epochs());
        prop_assert_eq!(&Study::replay(&storm.log).unwrap(), &storm.study);
    }

    /// What was decided live is decided again, input by input, by the study that the log so far replays to.
    #[test]
    fn decisions_follow_from_the_log(seeds in any::<(u64, u64)>(), workers in 1..6_u32) {
        let nature = Nature { seed: seeds.0, not_finite: 10, deadly: 5, early: 20, steps: 5 };
        let weather = Weather { seed: seeds.1, workers, lost: 15, checkpoints: 10, repeated: 10, pauses: 2 };
        let storm = Storm::play(spec(STUDIES[0]), nature, weather);
        let mut written = storm.log.len() - storm.moments.iter().flat_map(|m| &m.answer).flatten().count();
        for moment in &storm.moments {
            let mut study = Study::replay(&storm.log[..written]).unwrap();
            let answer = study.step(moment.now, &moment.input);
            prop_assert_eq!(&answer, &moment.answer);
            written += answer.map_or(0, |events| events.len());
        }
        prop_assert_eq!(written, storm.log.len());
    }
}
