//! The order in which trials are leased.

use std::{cmp::Reverse, collections::BTreeSet};

use common::{hparams::Hparams, ids::TrialNumber, model_spec::ModelSpec, study::StudySpec};

use crate::{plan::BracketPlan, trial::Trial};

/// A trial's place among those that wait for a lease: the first one is leased first.
///
/// One run of all brackets goes before the next, so that the trials under way stay few. In a run the longest
/// remaining path comes first (Hu, "Parallel sequencing and assembly line problems", 1961), so that a study does not
/// end with one slow trial on one worker: a trial's own epochs to its rung's end, and those from there to its bracket's
/// end, which are those of whichever trials are promoted. Each is weighed with what an epoch costs, the latter with the
/// mean of all trials. A small trial of a rung that many epochs wait for so goes before a large one that nothing waits
/// for. Trials on a higher rung come before others of the same path, then lower numbers before higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    iteration: u32,
    path: Reverse<u64>,
    rung: Reverse<u32>,
    pub(crate) trial: TrialNumber,
}

impl Place {
    /// The place of a drawn trial.
    pub(crate) fn of(trial: &Trial, bracket: &BracketPlan) -> Self {
        let end = bracket.rungs.get(trial.rung as usize).map_or(0, |rung| rung.epochs);
        let own = trial.cost.saturating_mul(u64::from(end.saturating_sub(trial.durable_epochs())));
        let after = trial.usual_cost.saturating_mul(u64::from(bracket.max_epochs().saturating_sub(end)));
        Self {
            iteration: bracket.iteration,
            path: Reverse(own.saturating_add(after)),
            rung: Reverse(trial.rung),
            trial: trial.number,
        }
    }
}

/// Trials that wait for a lease.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Queue {
    places: BTreeSet<Place>,
    /// What an epoch of all drawn trials costs, and how many they are.
    cost: u64,
    drawn: u64,
}

impl Queue {
    /// Counts a drawn trial's cost.
    pub(crate) fn drew(&mut self, cost: u64) {
        self.cost = self.cost.saturating_add(cost);
        self.drawn += 1;
    }

    /// What an epoch of a trial costs on average, over those drawn so far.
    pub(crate) fn usual_cost(&self) -> u64 {
        self.cost.checked_div(self.drawn).unwrap_or(1)
    }

    /// The place of a trial that is not drawn yet: it is taken for an average one.
    pub(crate) fn undrawn(&self, trial: TrialNumber, bracket: &BracketPlan) -> Place {
        let path = Reverse(self.usual_cost().saturating_mul(u64::from(bracket.max_epochs())));
        Place { iteration: bracket.iteration, path, rung: Reverse(0), trial }
    }

    /// Lets a trial wait.
    pub(crate) fn push(&mut self, place: Place) {
        self.places.insert(place);
    }

    /// Lets a trial wait no longer.
    pub(crate) fn remove(&mut self, place: &Place) {
        self.places.remove(place);
    }

    /// Lets nobody wait any longer.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }

    /// The trials that wait, in the order in which they are leased.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> {
        self.places.iter().copied()
    }

    /// How many trials wait.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether a trial waits at this place.
    pub(crate) fn contains(&self, place: &Place) -> bool {
        self.places.contains(place)
    }
}

/// What an epoch of a trial costs, in proportion to other trials: its model's cost, and 1 where it has none.
pub(crate) fn cost(spec: &StudySpec, hparams: &Hparams) -> u64 {
    let model = spec.data.shape().and_then(|shape| ModelSpec::build(spec.model, hparams, &shape).ok());
    model.map_or(1, |model| model.cost().max(1))
}

#[cfg(test)]
mod tests {
    use common::study::Hyperband;

    use super::*;
    use crate::plan::Plan;

    fn place(bracket: &BracketPlan, cost: u64) -> Place {
        let mut trial = Trial::new(bracket.first, 0, Hparams::default(), 1, cost);
        trial.usual_cost = 10;
        Place::of(&trial, bracket)
    }

    #[test]
    fn a_small_trial_that_a_rung_waits_for_goes_before_a_large_one_that_nothing_waits_for() {
        let plan = Plan::hyperband(&Hyperband { max_epochs: 9, ..Hyperband::default() });
        let (first, last) = (&plan.brackets()[0], &plan.brackets()[2]);
        // One epoch of its own and eight usual ones, against nine of its own.
        assert!(place(first, 1) < place(last, 8));
        assert!(place(last, 10) < place(first, 9));
    }
}
