//! What a seed stands for: a cluster, its studies, and what goes wrong how often.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use common::study::StudySpec;

use crate::{dice::Dice, fault::Fault};

/// Kinds of studies; those of the second part may end early, so their tables depend on time.
const STUDIES: [&str; 9] = [
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}",
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\nevaluate: all",
    "scheduler: {kind: hyperband, max_epochs: 8, eta: 2}\nobjective: {metric: val_loss}",
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3, mode: barrier}\nobjective: {rank: best}",
    "scheduler: {kind: fixed, epochs: 6, trials: [{hparams: {width: 1}}, {hparams: {width: 2}}, {hparams: {width: 3}}]}\n\
     evaluate: all",
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\nspace: {width: {int: [1, 12]}}\nsampler: {kind: grid}",
    "scheduler: {kind: hyperband, max_epochs: 4, eta: 2, iterations: 2}",
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\nbudget: {max_time: 120}",
    "scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\nbudget: {target: 0.9}",
];

/// From this kind on a study's table depends on time.
const TIMED: usize = 7;

/// What a seed stands for.
#[derive(Debug)]
pub(crate) struct Climate {
    /// How long a lease lives without a sign of life.
    pub(crate) lease: Duration,
    /// Slots of each worker.
    pub(crate) workers: Vec<u32>,
    /// The studies, with whether their tables must be those of an undisturbed run.
    pub(crate) studies: Vec<(StudySpec, bool)>,
    /// How long things go wrong, in milliseconds.
    pub(crate) storm: u64,
    /// Mean time between two faults of a kind, in milliseconds; kinds that are missing never strike.
    pub(crate) gaps: BTreeMap<Fault, u64>,
    /// Shortest and longest way of a message, in milliseconds.
    pub(crate) latency: (u64, u64),
    /// Shortest and longest time of a commit, in milliseconds.
    pub(crate) commit: (u64, u64),
    /// Mean time of an epoch, in milliseconds.
    pub(crate) epoch: u64,
    /// Least age of a checkpoint at which an epoch's end takes a new one, in milliseconds.
    pub(crate) checkpoint_every: u64,
}

impl Climate {
    /// The climate of a seed.
    pub(crate) fn of(seed: u64) -> Result<Self> {
        let mut dice = Dice::new(seed, 2);
        let workers = (0..dice.between((1, 5))).map(|_| dice.between((1, 3)) as u32).collect();
        let count = dice.between((1, 3));
        let studies = (0..count).map(|index| study(&mut dice, index)).collect::<Result<_>>()?;
        let mut gaps = BTreeMap::new();
        // A third of all seeds sees few kinds of faults, so that each kind also strikes alone.
        let often = dice.pick(&[150, 450, 450]);
        for fault in Fault::ALL {
            let gap = dice.pick(&[15_000, 40_000, 90_000]);
            // What is stopped has another table, and what is damaged may be evaluated less; a restore undoes much.
            let rare = matches!(fault, Fault::Damage | Fault::Restore | Fault::Stop);
            if dice.chance(if rare { 100 } else { often }) {
                gaps.insert(fault, gap);
            }
        }
        Ok(Self {
            lease: Duration::from_secs(dice.pick(&[10, 30, 60])),
            workers,
            studies,
            storm: dice.between((60_000, 600_000)),
            gaps,
            latency: dice.pick(&[(0, 1), (1, 5), (20, 120)]),
            commit: dice.pick(&[(1, 3), (5, 40)]),
            epoch: dice.pick(&[300, 2_000, 6_000]),
            checkpoint_every: dice.pick(&[0, 5_000, 10_000]),
        })
    }
}

fn study(dice: &mut Dice, index: u64) -> Result<(StudySpec, bool)> {
    let kind = dice.below(STUDIES.len() as u64) as usize;
    let space = if STUDIES[kind].contains("space:") { "" } else { "space: {width: {int: [1, 999]}}\n" };
    let seed = dice.below(1 << 50);
    let text = format!("name: s{index}\nmodel: formula\nseed: {seed}\n{space}{}\n", STUDIES[kind]);
    Ok((StudySpec::from_yaml(&text)?, kind < TIMED))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_study_is_one() {
        let kinds = (0..400).flat_map(|seed| Climate::of(seed).unwrap().studies);
        let plain = |spec: StudySpec| StudySpec { name: "s".parse().unwrap(), seed: 0, ..spec };
        let specs: BTreeSet<String> = kinds.map(|(spec, _)| plain(spec).to_json()).collect();
        assert_eq!(specs.len(), STUDIES.len());
    }
}
