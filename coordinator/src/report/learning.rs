//! The trials whose learning curves are worth a look.

use common::{ids::TrialNumber, metrics::CurvePoint, view::TrialView};
use serde::Serialize;

use super::Subject;

/// How many trials are shown.
const TOP: usize = 8;

/// A trial and its curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TopTrial {
    pub(super) trial: TrialNumber,
    /// The objective's value at its last rung; of the best trial, the value that it leads by.
    pub(super) value: f64,
    /// Epochs that it had trained for then.
    pub(super) epochs: u32,
    pub(super) curve: Vec<CurvePoint>,
}

/// The best trial, then those of the best values at their last rungs.
pub(super) fn top(subject: &Subject) -> Vec<TopTrial> {
    let (leader, goal) = (subject.best.trial.trial, subject.best.study.goal);
    // The leader may have trained on since it took the lead, and even have diverged.
    let led = |trial: &TrialView| subject.best.study.best.filter(|best| best.trial == trial.trial);
    let result = |trial: &TrialView| {
        let (value, epochs) = match led(trial) {
            Some(best) => (best.value, best.epochs),
            None => (trial.value?, trial.epochs),
        };
        value.is_finite().then_some((trial.trial, value, epochs))
    };
    let mut ranked: Vec<(TrialNumber, f64, u32)> = subject.trials.iter().filter_map(result).collect();
    ranked.sort_by(|(a, x, _), (b, y, _)| {
        let led = (*a != leader).cmp(&(*b != leader));
        led.then_with(|| goal.compare(*x, *y)).then_with(|| a.cmp(b))
    });
    let top = |(trial, value, epochs): (TrialNumber, f64, u32)| TopTrial {
        trial,
        value,
        epochs,
        curve: subject.history.curves.get(&trial).cloned().unwrap_or_default(),
    };
    ranked.into_iter().take(TOP).map(top).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_leader_comes_first_and_failed_trials_not_at_all() {
        let trials: Vec<_> = top(&fixture::subject()).into_iter().map(|top| top.trial.0).collect();
        assert_eq!(trials, [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(top(&fixture::subject())[0].curve.len(), 9);
    }

    #[test]
    fn a_leader_that_diverged_since_is_shown_as_it_led() {
        let mut subject = fixture::subject();
        let leader = subject.best.trial.trial;
        let trial = subject.trials.iter_mut().find(|trial| trial.trial == leader).unwrap();
        (trial.value, trial.epochs) = (None, 27);
        let first = top(&subject).swap_remove(0);
        assert_eq!((first.trial, first.value, first.epochs), (leader, 0.86, 9));
    }
}
