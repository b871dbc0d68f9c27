//! What a trial remembers of its epochs.

use common::{
    metrics::Metrics,
    study::{EarlyStopping, Monitor, Objective},
};

/// A trial's best epoch so far, and how long early stopping has waited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct History {
    /// The metrics of the epoch that is best by the objective, the first of equals; not a number before the first.
    pub(crate) best: Metrics,
    /// The best value of what early stopping watches, its sign such that less is better.
    pub(crate) watched: f64,
    /// Epochs since that value improved.
    pub(crate) waited: u64,
    /// The metrics of the epoch that had that value.
    pub(crate) kept: Metrics,
}

/// What an epoch means to early stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What is watched has improved: this is the best epoch so far.
    pub(crate) improved: bool,
    /// The trial ends with it.
    pub(crate) stops: bool,
}

/// Metrics that were not measured.
pub(crate) const UNKNOWN: Metrics = Metrics {
    train_loss: f64::NAN,
    train_accuracy: f64::NAN,
    val_loss: f64::NAN,
    val_accuracy: f64::NAN,
    val_macro_f1: f64::NAN,
};

impl Default for History {
    fn default() -> Self {
        Self { best: UNKNOWN, watched: f64::INFINITY, waited: 0, kept: UNKNOWN }
    }
}
impl History {
    /// Takes an epoch into account.
    pub(crate) fn record(
        &mut self,
        metrics: &Metrics,
        objective: &Objective,
        early_stopping: Option<&EarlyStopping>,
    ) -> Verdict {
        let value = |metrics| objective.metric.of(metrics);
        if objective.goal().compare(value(metrics), value(&self.best)).is_lt() {
            self.best = *metrics;
        }
        let Some(rule) = early_stopping else {
            return Verdict { improved: false, stops: false };
        };
        let watched = match rule.monitor {
            Monitor::Loss => metrics.train_loss,
            Monitor::ValLoss => metrics.val_loss,
            Monitor::ValAccuracy => -metrics.val_accuracy,
        };
        let improved = watched < self.watched - rule.min_delta;
        if improved {
            (self.watched, self.waited, self.kept) = (watched, 0, *metrics);
        } else {
            self.waited += 1;
        }
        Verdict { improved, stops: self.waited >= u64::from(rule.patience.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use common::{metrics::Metric, study::Rank};

    use super::*;

    fn epoch(val_loss: f64, val_accuracy: f64) -> Metrics {
        Metrics { train_loss: 1.0, train_accuracy: 0.5, val_loss, val_accuracy, val_macro_f1: 0.5 }
    }

    #[test]
    fn the_first_of_the_best_epochs_is_remembered() {
        let mut history = History::default();
        let objective = Objective { metric: Metric::ValAccuracy, goal: None, rank: Rank::default() };
        for (loss, accuracy) in [(0.5, 0.7), (0.4, 0.9), (0.3, 0.9), (0.2, f64::NAN)] {
            assert!(!history.record(&epoch(loss, accuracy), &objective, None).stops);
        }
        assert_eq!(history.best, epoch(0.4, 0.9));
    }

    #[test]
    fn early_stopping_waits_for_its_patience() {
        let rule =
            EarlyStopping { monitor: Monitor::ValLoss, patience: 2, min_delta: 0.1, restore_best: false };
        let mut history = History::default();
        let losses = [1.0, 0.95, 0.8, 0.75, f64::NAN, 0.1];
        let mut record = |loss| history.record(&epoch(loss, 0.5), &Objective::default(), Some(&rule));
        let verdicts = losses.map(&mut record);
        assert_eq!(verdicts.map(|verdict| verdict.stops), [false, false, false, false, true, false]);
        assert_eq!(verdicts.map(|verdict| verdict.improved), [true, false, true, false, false, true]);
        assert_eq!(history.kept, epoch(0.1, 0.5));

        let mut history = History::default();
        let mut record = |loss| history.record(&epoch(loss, 0.5), &Objective::default(), Some(&rule));
        assert_eq!([f64::NAN; 3].map(|loss| record(loss).stops), [false, true, true]);
        assert!(!history.watched.is_finite(), "there is no best epoch to go back to");

        let rule =
            EarlyStopping { monitor: Monitor::ValAccuracy, patience: 1, min_delta: 0.0, restore_best: false };
        let mut history = History::default();
        let stops =
            [0.5, 0.6, 0.6].map(|a| history.record(&epoch(1.0, a), &Objective::default(), Some(&rule)).stops);
        assert_eq!(stops, [false, false, true]);

        let rule = EarlyStopping { monitor: Monitor::Loss, patience: 1, min_delta: 0.0, restore_best: false };
        let mut history = History::default();
        let stops = [0.9, 0.8, 0.8].map(|train_loss| {
            let metrics = Metrics { train_loss, ..epoch(0.5, 0.5) };
            history.record(&metrics, &Objective::default(), Some(&rule)).stops
        });
        assert_eq!(stops, [false, false, true]);
    }
}
