//! Sizes of brackets and rungs, by scheme. Whole numbers only: a floating-point logarithm loses a bracket at some
//! (R, eta), for example log(243) / log(3) = 4.999….

use common::study::{Hyperband, Rounding, Sizes};

use super::RungPlan;

/// A bracket before anything limits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Trials that start.
    pub(super) configs: u32,
    /// Epochs of each rung, in total.
    epochs: Vec<u32>,
    /// One in eta is promoted.
    eta: u32,
    /// Whether a rung's size is rounded up.
    up: bool,
}

impl Shape {
    /// How often trials are halved.
    pub(super) fn s(&self) -> u32 {
        self.epochs.len() as u32 - 1
    }

    /// The rungs of the bracket when only so many trials start.
    ///
    /// At least one trial reaches every rung: a bracket of few trials still trains one of them to the end.
    pub(super) fn rungs(&self, configs: u32) -> Vec<RungPlan> {
        let mut part = 1;
        let mut rungs = Vec::with_capacity(self.epochs.len());
        for &epochs in &self.epochs {
            let size = if self.up { u64::from(configs).div_ceil(part) } else { u64::from(configs) / part };
            rungs.push(RungPlan { configs: size.max(1) as u32, epochs });
            part = part.saturating_mul(u64::from(self.eta));
        }
        rungs
    }
}

/// Hyperband's brackets, in the order in which they are run.
pub(super) fn hyperband(hyperband: &Hyperband) -> Vec<Shape> {
    // A study's parser refuses less; the loops below would not end on it.
    let (max, eta) = (u64::from(hyperband.max_epochs.max(1)), u64::from(hyperband.eta.max(2)));
    let s_max = halvings(max, eta, u64::from(hyperband.min_epochs.max(1)));
    let rounds_up = hyperband.sizes == Sizes::Keras || hyperband.rounding == Rounding::Ceil;
    let bracket = |s: u32| {
        let epochs = |i: u32| {
            let part = eta.pow(s - i);
            (if rounds_up { max.div_ceil(part) } else { max / part }) as u32
        };
        Shape {
            configs: u32::try_from(configs(hyperband.sizes, s, s_max, max, eta)).unwrap_or(u32::MAX),
            epochs: (0..=s).map(epochs).collect(),
            eta: hyperband.eta.max(2),
            up: hyperband.sizes == Sizes::Keras,
        }
    };
    (0..=s_max).rev().map(bracket).collect()
}

/// A list of trials, all trained to the same number of epochs.
pub(super) fn fixed(trials: usize, epochs: u32) -> Vec<Shape> {
    vec![Shape {
        configs: u32::try_from(trials).unwrap_or(u32::MAX),
        epochs: vec![epochs],
        eta: 2,
        up: false,
    }]
}

/// The largest s for which `min * eta^s` is at most `max`; 0 where even `min` is more.
fn halvings(max: u64, eta: u64, min: u64) -> u32 {
    let mut s = 0;
    let mut reached = min;
    while reached * eta <= max {
        reached *= eta;
        s += 1;
    }
    s
}

/// How many trials start in bracket `s`.
fn configs(sizes: Sizes, s: u32, s_max: u32, max: u64, eta: u64) -> u64 {
    let (brackets, rungs) = (u64::from(s_max) + 1, u64::from(s) + 1);
    match sizes {
        // Li et al., JMLR 18(185), 2018, Algorithm 1, line 2, with B = (s_max + 1) R.
        Sizes::Algorithm1 => (brackets * eta.pow(s)).div_ceil(rungs),
        // The same paper's Table 1 has 6 and 9 where Algorithm 1 gives 8 and 15: the quotient is rounded first.
        Sizes::Table1 => brackets / rungs * eta.pow(s),
        // `Hyperband._get_size` of Keras Tuner 1.4, whose ⌈1 + log_eta R⌉ is the least E with eta^(E-1) >= R.
        Sizes::Keras => {
            let mut e = 1;
            let mut reached = 1;
            while reached < max {
                reached *= eta;
                e += 1;
            }
            (e * eta.pow(s)).div_ceil(rungs)
        }
    }
}
