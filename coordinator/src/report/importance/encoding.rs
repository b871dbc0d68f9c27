use std::{cmp::Ordering, collections::BTreeSet};

use common::hparams::{Hparams, Scalar};

/// Trials as points on a grid: each hyperparameter's distinct values in order, weighted by how often they were drawn.
///
/// That a parameter is not active is a value of its own, the least. The space that variance is measured over is the
/// product of these weights: what the sampler drew, each parameter independent of the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoding {
    /// Hyperparameters that have more than one value.
    pub(super) names: Vec<String>,
    /// For each name, each trial's level.
    pub(super) columns: Vec<Vec<u32>>,
    /// For each name, the weights of its levels: they sum to 1.
    pub(super) weights: Vec<Vec<f64>>,
}

impl Encoding {
    /// The encoding of the configurations of some trials.
    pub(super) fn new(trials: &[&Hparams]) -> Self {
        let names: BTreeSet<&str> =
            trials.iter().flat_map(|trial| trial.iter().map(|(name, _)| name)).collect();
        let mut encoding = Self { names: Vec::new(), columns: Vec::new(), weights: Vec::new() };
        for name in names {
            let values: Vec<Option<&Scalar>> = trials.iter().map(|trial| trial.get(name)).collect();
            let mut levels = values.clone();
            levels.sort_by(|a, b| order(*a, *b));
            levels.dedup_by(|a, b| order(*a, *b).is_eq());
            if levels.len() < 2 {
                continue;
            }
            let mut weights = vec![0.0; levels.len()];
            let column = values.iter().map(|value| {
                let level = levels.partition_point(|level| order(*level, *value).is_lt());
                weights[level] += 1.0 / trials.len() as f64;
                level as u32
            });
            encoding.columns.push(column.collect());
            encoding.weights.push(weights);
            encoding.names.push(name.to_owned());
        }
        encoding
    }
}

/// Nothing, then switches, numbers and names.
pub(in crate::report) fn order(a: Option<&Scalar>, b: Option<&Scalar>) -> Ordering {
    let kind = |value: Option<&Scalar>| match value {
        None => 0,
        Some(Scalar::Bool(_)) => 1,
        Some(Scalar::Int(_) | Scalar::Float(_)) => 2,
        Some(Scalar::Text(_)) => 3,
    };
    kind(a).cmp(&kind(b)).then_with(|| match (a, b) {
        (Some(Scalar::Bool(a)), Some(Scalar::Bool(b))) => a.cmp(b),
        (Some(Scalar::Text(a)), Some(Scalar::Text(b))) => a.cmp(b),
        (Some(a), Some(b)) => {
            let number = |value: &Scalar| value.as_f64().unwrap_or(0.0);
            number(a).total_cmp(&number(b))
        }
        _ => Ordering::Equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_in_order_and_absence_is_the_first() {
        let trials = [
            Hparams::from([("lr", Scalar::Float(0.01)), ("opt", Scalar::Text("sgd".to_owned()))]),
            Hparams::from([("lr", Scalar::Float(0.001)), ("opt", Scalar::Text("adam".to_owned()))]),
            Hparams::from([("lr", Scalar::Float(0.01)), ("same", Scalar::Int(1))]),
            Hparams::from([("lr", Scalar::Float(0.01)), ("opt", Scalar::Text("adam".to_owned()))]),
        ];
        let encoding = Encoding::new(&trials.iter().collect::<Vec<_>>());
        assert_eq!(encoding.names, ["lr", "opt", "same"]);
        assert_eq!(encoding.columns[0], [1, 0, 1, 1]);
        assert_eq!(encoding.columns[1], [2, 1, 0, 1]);
        assert_eq!(encoding.weights[1], [0.25, 0.5, 0.25]);
    }
}
