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
    /// The objective's value at its last rung.
    pub(super) value: f64,
    pub(super) epochs: u32,
    pub(super) curve: Vec<CurvePoint>,
}

/// The best trial, then those of the best values at their last rungs.
pub(super) fn top(subject: &Subject) -> Vec<TopTrial> {
    let (leader, goal) = (subject.best.trial.trial, subject.best.study.goal);
    let value = |trial: &TrialView| trial.value.filter(|value| value.is_finite());
    let mut ranked: Vec<(&TrialView, f64)> =
        subject.trials.iter().filter_map(|trial| Some((trial, value(trial)?))).collect();
    ranked.sort_by(|(a, x), (b, y)| {
        let led = (a.trial != leader).cmp(&(b.trial != leader));
        led.then_with(|| goal.compare(*x, *y)).then_with(|| a.trial.cmp(&b.trial))
    });
    let top = |(trial, value): (&TrialView, f64)| TopTrial {
        trial: trial.trial,
        value,
        epochs: trial.epochs,
        curve: subject.history.curves.get(&trial.trial).cloned().unwrap_or_default(),
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
}
