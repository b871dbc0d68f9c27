//! A random forest for regression (Breiman, 2001): bagged trees, every hyperparameter tried at every split.

use common::random::{Purpose, Stream, Words};

use super::encoding::Encoding;

/// Trees in a forest.
pub(super) const TREES: u32 = 64;

/// Fewest trials in a leaf.
const LEAF: usize = 2;

/// Trees, each a partition of the space in boxes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forest {
    pub(super) trees: Vec<Vec<Leaf>>,
    /// R² on trials that a tree has not seen.
    pub(super) fit: f64,
}

/// A box of the space and the value that a tree gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// For each hyperparameter the first level and the one after the last.
    pub(super) sides: Vec<(u32, u32)>,
    pub(super) value: f64,
}

impl Leaf {
    fn contains(&self, encoding: &Encoding, trial: usize) -> bool {
        let columns = encoding.columns.iter().zip(&self.sides);
        columns.into_iter().all(|(column, (from, to))| (*from..*to).contains(&column[trial]))
    }
}

impl Forest {
    /// Grows a forest; the same one for the same trials and seed.
    pub(super) fn grow(encoding: &Encoding, values: &[f64], seed: u64) -> Self {
        let count = values.len();
        let (mut trees, mut sums, mut seen) = (Vec::new(), vec![0.0; count], vec![0_u32; count]);
        for tree in 0..TREES {
            let mut words = Stream::new(seed, Purpose::Seed).layer(0x00f0_0000 | tree).words();
            let sample = bootstrap(&mut words, count);
            let whole = encoding.weights.iter().map(|levels| (0, levels.len() as u32)).collect();
            let mut leaves = Vec::new();
            partition(encoding, values, Leaf { sides: whole, value: 0.0 }, sample.clone(), &mut leaves);
            let mut inside = vec![false; count];
            sample.iter().for_each(|trial| inside[*trial] = true);
            for trial in (0..count).filter(|trial| !inside[*trial]) {
                if let Some(leaf) = leaves.iter().find(|leaf| leaf.contains(encoding, trial)) {
                    sums[trial] += leaf.value;
                    seen[trial] += 1;
                }
            }
            trees.push(leaves);
        }
        Self { trees, fit: r_squared(values, &sums, &seen) }
    }
}

fn bootstrap(words: &mut Words, count: usize) -> Vec<usize> {
    (0..count).map(|_| words.below(count as u32) as usize).collect()
}

/// Splits a box until its trials are few or equal.
fn partition(encoding: &Encoding, values: &[f64], whole: Leaf, trials: Vec<usize>, leaves: &mut Vec<Leaf>) {
    let mean = trials.iter().map(|trial| values[*trial]).sum::<f64>() / trials.len() as f64;
    let Some((side, level)) = best_split(encoding, values, &trials) else {
        leaves.push(Leaf { value: mean, ..whole });
        return;
    };
    let column = &encoding.columns[side];
    let (below, above): (Vec<usize>, Vec<usize>) =
        trials.into_iter().partition(|trial| column[*trial] < level);
    let (mut left, mut right) = (whole.clone(), whole);
    (left.sides[side].1, right.sides[side].0) = (level, level);
    partition(encoding, values, left, below, leaves);
    partition(encoding, values, right, above, leaves);
}

/// The hyperparameter and the level at which the two sides' squared errors are least; none where no split helps.
fn best_split(encoding: &Encoding, values: &[f64], trials: &[usize]) -> Option<(usize, u32)> {
    let count = trials.len();
    let total: f64 = trials.iter().map(|trial| values[*trial]).sum();
    let mut best = None;
    // A split is worth what it adds to the sides' sums of squared means; what rounding adds is worth nothing.
    let mut most = total * total / count as f64 * (1.0 + 1e-12) + 1e-300;
    for (side, column) in encoding.columns.iter().enumerate() {
        let mut sorted: Vec<(u32, f64)> =
            trials.iter().map(|trial| (column[*trial], values[*trial])).collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut left = 0.0;
        for at in 1..count {
            left += sorted[at - 1].1;
            let same = sorted[at - 1].0 == sorted[at].0;
            if same || at < LEAF || count - at < LEAF {
                continue;
            }
            let right = total - left;
            let worth = left * left / at as f64 + right * right / (count - at) as f64;
            if worth > most {
                (most, best) = (worth, Some((side, sorted[at].0)));
            }
        }
    }
    best
}

fn r_squared(values: &[f64], sums: &[f64], seen: &[u32]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mut error = 0.0;
    let mut spread = 0.0;
    for (trial, value) in values.iter().enumerate().filter(|(trial, _)| seen[*trial] > 0) {
        error += (value - sums[trial] / f64::from(seen[trial])).powi(2);
        spread += (value - mean).powi(2);
    }
    if spread > 0.0 { 1.0 - error / spread } else { 0.0 }
}
