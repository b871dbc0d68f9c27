//! Checks of a study's state.

use common::trial::TrialState;

use super::{Study, leases::trains};
use crate::{queue::Place, rung::Rung, trial::Trial};

impl Study {
    /// What is wrong with the state, in words; nothing, unless there is a defect.
    ///
    /// It counts everything again from the trials. How the state came about is [`crate::audit`]'s to check.
    pub fn violations(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        self.check_leases(&mut flaws);
        self.check_counts(&mut flaws);
        for (index, bracket) in self.brackets.iter().enumerate() {
            for (rung, state) in bracket.rungs().iter().enumerate() {
                self.check_rung(index as u32, rung as u32, state, &mut flaws);
            }
            if self.unsettled.contains(&(index as u32)) == bracket.is_settled() {
                flaws.push(format!("bracket {index} is not where settled or unsettled brackets are"));
            }
        }
        flaws
    }

    /// One lease per running trial, each with the trial's last attempt.
    fn check_leases(&self, flaws: &mut Vec<String>) {
        for trial in &self.trials {
            let lease = self.lease(trial.number);
            let number = trial.number;
            if lease.is_some_and(trains) != (trial.state == TrialState::Running) {
                flaws.push(format!("trial {number} is {} and has lease {lease:?}", trial.state));
            }
            if lease.is_some_and(|lease| lease.attempt != trial.last_attempt) {
                flaws.push(format!(
                    "trial {number} had attempt {} and has lease {lease:?}",
                    trial.last_attempt
                ));
            }
            let carried = self.brackets.get(trial.bracket as usize).is_some_and(|b| b.carries(number));
            let place = self.plan.brackets().get(trial.bracket as usize).map(|plan| Place::of(trial, plan));
            let waits = trial.state == TrialState::Pending && !carried && self.ended.is_none();
            if place.is_some_and(|place| self.queue.contains(&place)) != waits {
                flaws.push(format!("trial {number} is {} and waits for a lease, or should", trial.state));
            }
        }
        let to_be_evaluated: Vec<_> =
            self.trials.iter().filter(|t| self.awaits_evaluation(t)).map(|t| t.number).collect();
        if !self.to_be_evaluated.iter().eq(&to_be_evaluated) {
            flaws.push(format!(
                "{to_be_evaluated:?} wait to be measured, noted are {:?}",
                self.to_be_evaluated
            ));
        }
        if self.leases_of_trials() != self.leases.len() {
            flaws.push("a lease is out on a trial that has not started".to_owned());
        }
    }

    fn leases_of_trials(&self) -> usize {
        self.trials.iter().filter(|trial| self.leases.contains_key(&trial.number)).count()
    }

    /// Counts of states, epochs and brackets; and nothing is under way once the study has finished.
    fn check_counts(&self, flaws: &mut Vec<String>) {
        let mut states = [0; TrialState::ALL.len()];
        self.trials.iter().for_each(|trial| states[trial.state as usize] += 1);
        if states != self.states {
            flaws.push(format!("states are {states:?}, counted as {:?}", self.states));
        }
        let charged: u64 = self.trials.iter().map(|trial| u64::from(trial.charged)).sum();
        if charged != self.epochs || self.epochs > self.plan.epochs_resumed() {
            let plan = self.plan.epochs_resumed();
            flaws.push(format!("{charged} epochs are charged, counted as {}, planned {plan}", self.epochs));
        }
        let ahead: u64 = self.trials.iter().map(|trial| u64::from(trial.ahead())).sum();
        if ahead != self.ahead {
            flaws.push(format!("{ahead} epochs are trained since results, counted as {}", self.ahead));
        }
        if self.brackets.iter().filter(|bracket| !bracket.has_ended()).count() != self.open {
            flaws.push(format!("{} open brackets are counted wrong", self.open));
        }
        let touches = self.trials.iter().filter(|trial| trial.evaluation.is_some()).count();
        if touches != self.test_touches as usize {
            flaws.push(format!("{touches} trials are measured, counted as {}", self.test_touches));
        }
        let under_way = self.trials.iter().any(|trial| !trial.state.is_final()) || !self.leases.is_empty();
        if self.finished.is_some() && under_way {
            flaws.push("the study has finished, but not all of its trials".to_owned());
        }
    }

    /// A rung's counts are those of its trials, none is promoted without a result, and none beyond the quota.
    fn check_rung(&self, bracket: u32, index: u32, rung: &Rung, flaws: &mut Vec<String>) {
        let trials = || self.trials.iter().filter(|trial| trial.bracket == bracket);
        let count = |is: &dyn Fn(&Trial) -> bool| trials().filter(|trial| is(trial)).count() as u32;
        let finite = count(&|trial| trial.finished_rung.is_some_and(|finished| finished >= index));
        let failed = count(&|trial| trial.state == TrialState::Failed && trial.rung == index);
        let promoted = count(&|trial| trial.rung > index);
        let waiting = count(&|trial| trial.state == TrialState::Paused && trial.rung == index);
        let counted = (rung.finite(), rung.failed(), rung.promoted(), rung.waiting().count() as u32);
        if counted != (finite, failed, promoted, waiting) {
            let found = (finite, failed, promoted, waiting);
            flaws.push(format!("rung {index} of bracket {bracket} has {found:?}, counted as {counted:?}"));
        }
        let quota =
            self.brackets[bracket as usize].rungs().get(index as usize + 1).map_or(0, |r| r.plan().configs);
        if promoted > quota || promoted > finite || finite + failed + rung.gone() > rung.plan().configs {
            flaws.push(format!("rung {index} of bracket {bracket} goes beyond its plan: {rung:?}"));
        }
    }
}
