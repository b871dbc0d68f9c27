//! How much of the values' variation each hyperparameter explains.
//!
//! Functional ANOVA of a random forest (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing
//! Hyperparameter Importance", ICML 2014), first order: the share of a forest's variance over the searched space that
//! a hyperparameter explains on its own, averaged over all values of the others. Trials are compared after the same
//! number of epochs, so that what Hyperband gave more epochs does not look better for it.

mod anova;

mod encoding;

mod forest;

use common::{hparams::Hparams, ids::TrialNumber, study::Rank};
use serde::Serialize;

use super::Subject;
pub(super) use encoding::order;

use encoding::Encoding;
use forest::Forest;

/// Fewer trials say nothing.
const FEWEST: usize = 10;

/// More trials cost time and change little: of more, every so many are taken.
const MOST: usize = 1_000;

/// What explains the values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Importance {
    pub(super) method: &'static str,
    /// Epochs after which trials are compared.
    pub(super) epochs: u32,
    /// Trials that were compared.
    pub(super) trials: usize,
    /// The forest's R² on trials that a tree has not seen: below 0.2 or so the shares mean little.
    pub(super) fit: f64,
    /// The largest first.
    pub(super) shares: Vec<Share>,
    /// What no hyperparameter explains on its own.
    pub(super) interactions: f64,
}

/// What one hyperparameter explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Share {
    pub(super) hparam: String,
    /// Of the variance, mean over trees.
    pub(super) share: f64,
    /// Standard deviation over trees.
    pub(super) deviation: f64,
}

impl Importance {
    /// The importance of a study's hyperparameters, or why nothing can be said of it.
    pub(super) fn new(subject: &Subject) -> Result<Self, String> {
        let epochs = comparable(subject)?;
        let observed = observed(subject, epochs);
        let step = observed.len().div_ceil(MOST).max(1);
        let (hparams, values): (Vec<&Hparams>, Vec<f64>) = observed.into_iter().step_by(step).unzip();
        let encoding = Encoding::new(&hparams);
        if encoding.names.is_empty() {
            return Err("all trials have the same hyperparameters".to_owned());
        }
        if values.iter().all(|value| *value == values[0]) {
            return Err("all trials have the same value".to_owned());
        }
        let forest = Forest::grow(&encoding, &values, subject.best.spec.seed);
        let shares = anova::first_order(&forest, &encoding);
        let interactions = (1.0 - shares.iter().map(|(share, _)| share).sum::<f64>()).max(0.0);
        let share = |(name, (share, deviation)): (&String, (f64, f64))| Share {
            hparam: name.clone(),
            share,
            deviation,
        };
        let mut shares: Vec<Share> = encoding.names.iter().zip(shares).map(share).collect();
        shares.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.hparam.cmp(&b.hparam)));
        Ok(Self {
            method: "functional ANOVA of a random forest, first order (Hutter, Hoos, Leyton-Brown, ICML 2014)",
            epochs,
            trials: values.len(),
            fit: forest.fit,
            shares,
            interactions,
        })
    }
}

/// The most epochs after which at least half of the trials, and enough of them, have a finite value.
fn comparable(subject: &Subject) -> Result<u32, String> {
    let curves = &subject.history.curves;
    let wanted = FEWEST.max(curves.len().div_ceil(2));
    let mut levels: Vec<u32> = subject.history.results.iter().map(|result| result.epochs).collect();
    levels.sort_unstable();
    levels.dedup();
    for epochs in levels.into_iter().rev() {
        if observed(subject, epochs).len() >= wanted {
            return Ok(epochs);
        }
    }
    Err(format!("fewer than {wanted} trials have a finite value after the same number of epochs"))
}

fn observed(subject: &Subject, epochs: u32) -> Vec<(&Hparams, f64)> {
    let objective = &subject.best.spec.objective;
    let value = |trial: TrialNumber| {
        let points = subject.history.curves.get(&trial)?.iter().filter(|point| point.epoch <= epochs);
        let mut values = points.map(|point| (point.epoch, objective.metric.of(&point.metrics)));
        match objective.rank {
            Rank::Last => values.next_back(),
            Rank::Best => {
                let last = values.clone().next_back()?.0;
                let best = values.min_by(|(_, a), (_, b)| objective.goal().compare(*a, *b))?;
                Some((last, best.1))
            }
        }
    };
    let compared = subject.trials.iter().filter_map(|trial| {
        // What early stopping has ended stands for all later epochs.
        let (reached, value) = value(trial.trial)?;
        ((reached == epochs || trial.early_stopped) && value.is_finite()).then_some((&trial.hparams, value))
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn too_few_trials_are_no_ground_to_stand_on() {
        let reason = Importance::new(&fixture::subject()).unwrap_err();
        assert!(reason.starts_with("fewer than 10 trials"), "{reason}");
    }

    #[test]
    fn trials_are_compared_after_the_same_epochs() {
        let subject = fixture::subject();
        let after = |epochs| observed(&subject, epochs).iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(after(9), [0.86]);
        assert_eq!(after(3).len(), 3);
        assert_eq!(after(1).len(), 8, "one trial's value is not finite");
    }
}
