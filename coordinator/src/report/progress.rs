//! How the best value so far rose with the epochs that were spent.

use std::{cmp::Ordering, collections::BTreeMap};

use common::{history::RungResult, ids::TrialNumber};
use scheduler::Plan;
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

/// A result, and what equal values are told apart by.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    value: f64,
    /// Epochs of its rung.
    rung_epochs: u32,
    val_loss: f64,
    trial: TrialNumber,
}

/// Each result that was better than all before it, and the end. Equal values are told apart as the study does it.
pub(super) fn best_so_far(subject: &Subject) -> Vec<Step> {
    let goal = subject.best.study.goal;
    let plan = Plan::of(&subject.best.spec);
    let brackets: BTreeMap<TrialNumber, u32> =
        subject.trials.iter().map(|trial| (trial.trial, trial.bracket)).collect();
    let mut best: Option<Candidate> = None;
    let mut trained: BTreeMap<TrialNumber, u32> = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut spent = 0;
    for result in &subject.history.results {
        let before = trained.insert(result.trial, result.epochs).unwrap_or(0);
        spent += u64::from(result.epochs.saturating_sub(before));
        if !result.value.is_finite() {
            continue;
        }
        let rung_epochs =
            brackets.get(&result.trial).map_or(0, |bracket| plan.rung_epochs(*bracket, result.rung));
        let (value, trial) = (result.value, result.trial);
        let found = Candidate { value, rung_epochs, val_loss: val_loss(subject, result), trial };
        let order =
            best.map_or(Ordering::Less, |best| goal.compare(value, best.value).then(found.tie(&best)));
        if order.is_ge() {
            continue;
        }
        best = Some(found);
        // A trial that has its value again at a later rung is no news.
        if steps.last().is_none_or(|last| (last.value, last.trial) != (value, trial)) {
            steps.push(Step { epochs: spent, value, trial });
        }
    }
    if let Some(last) = steps.last().copied().filter(|last| last.epochs < spent) {
        steps.push(Step { epochs: spent, ..last });
    }
    steps
}

impl Candidate {
    /// The order of two of equal value: the study's, which compares results of the most epochs, and of these equal ones by
    /// validation loss and by number.
    fn tie(&self, other: &Self) -> Ordering {
        let epochs = other.rung_epochs.cmp(&self.rung_epochs);
        epochs.then(self.val_loss.total_cmp(&other.val_loss)).then(self.trial.cmp(&other.trial))
    }
}

/// The validation loss beside a result; infinite where it is not known.
fn val_loss(subject: &Subject, result: &RungResult) -> f64 {
    let curve = subject.history.curves.get(&result.trial);
    let point = curve.and_then(|curve| curve.iter().find(|point| point.epoch == result.epochs));
    point.map(|point| point.metrics.val_loss).filter(|loss| loss.is_finite()).unwrap_or(f64::INFINITY)
}

/// The steps without the end, where that is no improvement but repeats the one before.
pub(super) fn improvements(steps: &[Step]) -> &[Step] {
    match steps {
        [before @ .., last]
            if before.last().is_some_and(|best| (best.value, best.trial) == (last.value, last.trial)) =>
        {
            before
        }
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
    fn equal_values_are_told_apart_as_the_study_does_it() {
        let mut subject = fixture::subject();
        subject.history.results.truncate(9);
        let lead = |subject: &Subject| best_so_far(subject).last().map(|step| (step.trial.0, step.epochs));
        assert_eq!(lead(&subject), Some((8, 9)), "trial 8 comes last and is the best");
        // An equal value with the same loss: the lower number leads, though it came first.
        subject.history.results[7].value = 0.78;
        assert_eq!(lead(&subject), Some((7, 9)));
        let trials: Vec<_> = best_so_far(&subject).iter().map(|step| step.trial.0).collect();
        assert_eq!(trials[trials.len() - 2..], [7, 7], "it is no news that trial 8 has the same");
        // With the lower loss the later one leads.
        subject.history.curves.get_mut(&TrialNumber(8)).unwrap()[0].metrics.val_loss = 0.1;
        assert_eq!(lead(&subject), Some((8, 9)));
        assert_eq!(improvements(&best_so_far(&subject)).last().map(|step| step.trial.0), Some(8));
        // And so does the one at the higher rung, whatever its loss.
        let later = RungResult { rung: 1, epochs: 3, ..subject.history.results[7].clone() };
        subject.history.results.push(later);
        assert_eq!(lead(&subject), Some((7, 11)));
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
