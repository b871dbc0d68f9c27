//! Variance of a tree over the space, and how much of it each hyperparameter explains alone.

use super::{
    encoding::Encoding,
    forest::{Forest, Leaf},
};

/// For each hyperparameter the share of variance that it explains on its own: mean and deviation over trees.
pub(super) fn first_order(forest: &Forest, encoding: &Encoding) -> Vec<(f64, f64)> {
    let below: Vec<Vec<f64>> = encoding.weights.iter().map(|weights| cumulated(weights)).collect();
    let trees: Vec<Vec<f64>> =
        forest.trees.iter().filter_map(|tree| shares(tree, encoding, &below)).collect();
    let moments = |name: usize| {
        let of_trees: Vec<f64> = trees.iter().map(|tree| tree[name]).collect();
        let mean = of_trees.iter().sum::<f64>() / of_trees.len().max(1) as f64;
        let square = of_trees.iter().map(|share| (share - mean).powi(2)).sum::<f64>();
        (mean, (square / of_trees.len().max(1) as f64).sqrt())
    };
    (0..encoding.names.len()).map(moments).collect()
}

/// One tree's shares; none where it is the same everywhere.
fn shares(tree: &[Leaf], encoding: &Encoding, below: &[Vec<f64>]) -> Option<Vec<f64>> {
    let width = |name: usize, leaf: &Leaf| {
        let (from, to) = leaf.sides[name];
        below[name][to as usize] - below[name][from as usize]
    };
    let names = 0..encoding.names.len();
    let volumes: Vec<f64> =
        tree.iter().map(|leaf| names.clone().map(|name| width(name, leaf)).product()).collect();
    let mean: f64 = tree.iter().zip(&volumes).map(|(leaf, volume)| volume * leaf.value).sum();
    let variance: f64 =
        tree.iter().zip(&volumes).map(|(leaf, volume)| volume * (leaf.value - mean).powi(2)).sum();
    if variance <= f64::EPSILON * mean * mean {
        return None;
    }
    let explained = |name: usize| {
        // What all leaves that reach over a level give there, averaged over the other hyperparameters: each leaf adds
        // from its first level on and takes away after its last.
        let mut changes = vec![0.0; encoding.weights[name].len() + 1];
        for (leaf, volume) in tree.iter().zip(&volumes) {
            let share = volume / width(name, leaf) * (leaf.value - mean);
            changes[leaf.sides[name].0 as usize] += share;
            changes[leaf.sides[name].1 as usize] -= share;
        }
        let mut marginal = 0.0;
        let levels = encoding.weights[name].iter().zip(&changes);
        let squares = levels.map(|(weight, change)| {
            marginal += change;
            weight * marginal * marginal
        });
        squares.sum::<f64>() / variance
    };
    Some(names.clone().map(explained).collect())
}

/// The weight below each level, and at the end of all.
fn cumulated(weights: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut below = vec![0.0];
    below.extend(weights.iter().map(|weight| {
        sum += weight;
        sum
    }));
    below
}

#[cfg(test)]
mod tests {
    use common::{
        hparams::{Hparams, Scalar},
        random::{Purpose, Stream},
    };

    use super::*;

    /// Shares of a formula of three hyperparameters of eight levels each, from 500 random configurations.
    fn shares_of(formula: impl Fn([f64; 3]) -> f64) -> (Vec<f64>, f64) {
        let mut words = Stream::new(1, Purpose::Draw).words();
        let drawn: Vec<[f64; 3]> = (0..500).map(|_| [0; 3].map(|_| f64::from(words.below(8)))).collect();
        let named = |x: &[f64; 3]| {
            Hparams::from([
                ("a", Scalar::Float(x[0])),
                ("b", Scalar::Float(x[1])),
                ("c", Scalar::Float(x[2])),
            ])
        };
        let hparams: Vec<Hparams> = drawn.iter().map(named).collect();
        let encoding = Encoding::new(&hparams.iter().collect::<Vec<_>>());
        let values: Vec<f64> = drawn.into_iter().map(formula).collect();
        let forest = Forest::grow(&encoding, &values, 1);
        (first_order(&forest, &encoding).into_iter().map(|(share, _)| share).collect(), forest.fit)
    }

    #[test]
    fn a_sum_is_explained_by_its_terms_variances() {
        // Variances of 3a and b are as 9 to 1, and c has no effect.
        let (shares, fit) = shares_of(|[a, b, _]| 3.0 * a + b);
        assert!((shares[0] - 0.9).abs() < 0.04, "{shares:?}");
        assert!((shares[1] - 0.1).abs() < 0.04, "{shares:?}");
        assert!(shares[2] < 0.01, "{shares:?}");
        assert!(fit > 0.95, "{fit}");
    }

    #[test]
    fn a_products_interaction_is_nobodys_alone() {
        // (a - 3.5)(b - 3.5) + c: the product explains nothing by one factor, and has 5.25 ** 2 of the variance
        // beside c's 5.25 * k ** 2.
        let (shares, _) = shares_of(|[a, b, c]| (a - 3.5) * (b - 3.5) + 2.0 * c);
        let expected = 4.0 * 5.25 / (4.0 * 5.25 + 5.25 * 5.25);
        assert!(shares[0] < 0.06 && shares[1] < 0.06, "{shares:?}");
        assert!((shares[2] - expected).abs() < 0.1, "{shares:?}, {expected}");
    }

    #[test]
    fn equal_values_have_nothing_to_explain() {
        assert_eq!(shares_of(|_| 0.5).0, [0.0; 3]);
    }
}
