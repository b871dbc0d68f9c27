//! How the best value so far rose with the epochs that were spent.

use std::collections::BTreeMap;

use common::ids::TrialNumber;
use serde::Serialize;

use super::Subject;

/// A moment of a study.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Step {
    /// Epochs trained until then, by all trials together; repeated ones not counted.
    pub(super) epochs: u64,
    /// The best value of any result until then.
    pub(super) value: f64,
    /// Whose value that is.
    pub(super) trial: TrialNumber,
}

/// Each result that was better than all before it, and the end.
pub(super) fn best_so_far(subject: &Subject) -> Vec<Step> {
    let goal = subject.best.study.goal;
    let mut trained: BTreeMap<TrialNumber, u32> = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut spent = 0;
    for result in &subject.history.results {
        let before = trained.insert(result.trial, result.epochs).unwrap_or(0);
        spent += u64::from(result.epochs.saturating_sub(before));
        let better = steps.last().is_none_or(|best| goal.compare(result.value, best.value).is_lt());
        if better && result.value.is_finite() {
            steps.push(Step { epochs: spent, value: result.value, trial: result.trial });
        }
    }
    if let Some(last) = steps.last().copied().filter(|last| last.epochs < spent) {
        steps.push(Step { epochs: spent, ..last });
    }
    steps
}

/// The steps without the end, where that is no improvement but repeats the one before.
pub(super) fn improvements(steps: &[Step]) -> &[Step] {
    match steps {
        [before @ .., last] if before.last().is_some_and(|best| best.value == last.value) => before,
        all => all,
    }
}

#[cfg(test)]
mod tests {
    use common::history::RungResult;

    use super::*;
    use crate::report::fixture;

    #[test]
    fn it_only_rises_and_ends_where_training_did() {
        let steps = best_so_far(&fixture::subject());
        assert!(
            steps.windows(2).all(|pair| pair[0].value <= pair[1].value && pair[0].epochs <= pair[1].epochs)
        );
        assert_eq!(
            steps.first().map(|step| (step.epochs, step.trial.0)),
            Some((2, 1)),
            "trial 0 has no value"
        );
        assert_eq!(steps.last().map(|step| (step.epochs, step.trial.0)), Some((21, 8)));
    }

    #[test]
    fn the_end_is_a_step_and_no_improvement() {
        let mut subject = fixture::subject();
        let all = best_so_far(&subject);
        assert_eq!(improvements(&all), all, "the last result is the best");
        let last = subject.history.results.last().cloned().unwrap();
        subject.history.results.push(RungResult { trial: TrialNumber(7), value: 0.1, ..last });
        let steps = best_so_far(&subject);
        assert_eq!(steps.last().map(|step| (step.epochs, step.trial.0)), Some((27, 8)));
        assert_eq!(improvements(&steps), all);
        assert!(improvements(&[]).is_empty());
    }
}
