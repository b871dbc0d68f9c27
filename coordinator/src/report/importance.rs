//! How much of the values' variation each hyperparameter explains.
//!
//! Functional ANOVA of a random forest (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing
//! Hyperparameter Importance", ICML 2014), first order: the share of a forest's variance over the searched space that
//! a hyperparameter explains on its own, averaged over all values of the others. Trials are compared after the same
//! number of epochs, so that what Hyperband gave more epochs does not look better for it; one that has gone back to its
//! best epoch by that epoch's value.

mod anova;

mod encoding;

mod forest;

use common::{hparams::Hparams, study::Rank, view::TrialView};
use serde::Serialize;

use super::Subject;
pub(super) use encoding::order;

use encoding::Encoding;
use forest::Forest;

/// Fewer trials say nothing.
const MIN_TRIALS: usize = 10;

/// More trials cost time and change little: of more, every so many are taken.
const MAX_TRIALS: usize = 1_000;

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
        let step = observed.len().div_ceil(MAX_TRIALS).max(1);
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
    let wanted = MIN_TRIALS.max(curves.len().div_ceil(2));
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

/// The trials that have a finite value after so many epochs, and that value; what early stopping has ended stands for
/// all later epochs.
fn observed(subject: &Subject, epochs: u32) -> Vec<(&Hparams, f64)> {
    let compared = subject.trials.iter().filter_map(|trial| {
        let (reached, value) = value(subject, trial, epochs)?;
        ((reached == epochs || trial.early_stopped) && value.is_finite()).then_some((&trial.hparams, value))
    });
    compared.collect()
}

/// How many of so many epochs a trial has trained, and its value after them; none before its first epoch, and where it
/// has ended without one.
fn value(subject: &Subject, trial: &TrialView, epochs: u32) -> Option<(u32, f64)> {
    let spec = &subject.best.spec;
    let curve = subject.history.curves.get(&trial.trial)?;
    let trained = &curve[..curve.partition_point(|point| point.epoch <= epochs)];
    let last = trained.last()?;
    let restores = spec.train.early_stopping.is_some_and(|rule| rule.restore_best);
    let ended = trial.early_stopped || (restores && last.epoch == spec.scheduler.horizon());
    let value = match spec.objective.rank {
        // Its model may be that of an epoch before the curve's last, which its value tells.
        Rank::Last if ended && trained.len() == curve.len() => trial.value?,
        Rank::Last => spec.objective.metric.of(&last.metrics),
        Rank::Best => {
            let values = trained.iter().map(|point| spec.objective.metric.of(&point.metrics));
            values.min_by(|a, b| spec.objective.goal().compare(*a, *b))?
        }
    };
    Some((last.epoch, value))
}

#[cfg(test)]
mod tests {
    use common::study::{EarlyStopping, Monitor};

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

    #[test]
    fn a_trial_that_has_gone_back_has_the_value_of_the_epoch_it_went_back_to() {
        let mut subject = fixture::subject();
        // Early stopping has ended it after epoch 3.
        subject.trials[7].early_stopped = true;
        subject.trials[7].value = Some(0.9);
        let seventh = |subject: &Subject| [1, 3, 9].map(|epochs| value(subject, &subject.trials[7], epochs));
        assert_eq!(seventh(&subject), [Some((1, 0.77)), Some((3, 0.9)), Some((3, 0.9))]);
        assert_eq!(observed(&subject, 9).len(), 2);

        // At the horizon it is restoring alone that goes back.
        subject.trials[8].value = Some(0.95);
        assert_eq!(value(&subject, &subject.trials[8], 9), Some((9, 0.86)));
        let (monitor, patience, min_delta) = (Monitor::ValLoss, 5, 0.0);
        let rule = EarlyStopping { monitor, patience, min_delta, restore_best: true };
        subject.best.spec.train.early_stopping = Some(rule);
        assert_eq!(value(&subject, &subject.trials[8], 9), Some((9, 0.95)));
        assert_eq!(value(&subject, &subject.trials[8], 3), Some((3, 0.83)));

        subject.best.spec.objective.rank = Rank::Best;
        assert_eq!(seventh(&subject), [Some((1, 0.77)), Some((3, 0.82)), Some((3, 0.82))]);
    }
}
