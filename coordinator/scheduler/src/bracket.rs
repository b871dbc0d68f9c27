//! A bracket: rungs, and what follows from one for the next.

use std::collections::BTreeSet;

use common::{ids::TrialNumber, study::PromotionMode};

use crate::{
    plan::BracketPlan,
    rank::Standing,
    rung::{Rung, Verdict},
};

/// A bracket of a study: successive halving from rung to rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bracket {
    mode: PromotionMode,
    rungs: Vec<Rung>,
    /// Early-stopped trials that were promoted: their result stands for the next rung, too.
    carried: BTreeSet<TrialNumber>,
}

/// What is certain in a bracket, and has not happened yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A trial goes on to a rung.
    Promote(TrialNumber, u32),
    /// A trial can no longer go on.
    Cut(TrialNumber),
    /// A trial has finished the last rung.
    Complete(TrialNumber),
    /// An early-stopped trial's result stands for the rung it was promoted to.
    Carry(TrialNumber),
}

impl Bracket {
    /// A bracket before its first trial.
    pub(crate) fn new(plan: &BracketPlan, mode: PromotionMode) -> Self {
        let next = plan.rungs.iter().skip(1).copied().map(Some).chain([None]);
        let rungs = plan.rungs.iter().zip(next).map(|(rung, next)| Rung::new(*rung, next)).collect();
        Self { mode, rungs, carried: BTreeSet::new() }
    }

    /// Its rungs, the first one first.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Whether no result can come any more.
    pub fn has_ended(&self) -> bool {
        self.rungs.iter().all(Rung::has_ended)
    }

    /// Whether nothing is certain that has not happened yet.
    pub(crate) fn is_settled(&self) -> bool {
        self.carried.is_empty() && self.rungs.iter().all(|rung| rung.is_settled(self.mode))
    }

    /// What is certain and has not happened yet, from the last rung down.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let mut outcomes: Vec<_> = self.carried.iter().copied().map(Outcome::Carry).collect();
        for (index, rung) in self.rungs.iter().enumerate().rev() {
            outcomes.extend(rung.verdicts(self.mode).into_iter().map(|(trial, verdict)| match verdict {
                Verdict::Promote => Outcome::Promote(trial, index as u32 + 1),
                Verdict::Cut => Outcome::Cut(trial),
                Verdict::Complete => Outcome::Complete(trial),
            }));
        }
        outcomes
    }

    /// Takes a finite result.
    pub(crate) fn finish(&mut self, rung: u32, standing: Standing) {
        self.carried.remove(&standing.trial);
        self.on(rung, |rung| rung.finish(standing));
    }

    /// Takes a failure.
    pub(crate) fn fail(&mut self, rung: u32) {
        self.on(rung, Rung::fail);
    }

    /// Leaves places of the first rung empty for ever.
    pub(crate) fn lose_places(&mut self, gone: u32) {
        self.on(0, |rung| rung.lose_places(gone));
    }

    /// Lets a trial go on from a rung; an early-stopped one needs no lease for the next.
    pub(crate) fn promote(&mut self, rung: u32, standing: &Standing, early_stopped: bool) {
        if early_stopped {
            self.carried.insert(standing.trial);
        }
        self.on(rung, |rung| rung.promote(standing));
    }

    /// Lets a trial go: out of those that wait at a rung if it has a result there, and not on to the next.
    pub(crate) fn dismiss(&mut self, rung: u32, trial: TrialNumber, standing: Option<&Standing>) {
        self.carried.remove(&trial);
        if let Some(standing) = standing {
            self.on(rung, |rung| rung.dismiss(standing));
        }
    }

    /// Whether an early-stopped trial's result is about to be carried.
    pub(crate) fn carries(&self, trial: TrialNumber) -> bool {
        self.carried.contains(&trial)
    }

    /// Changes a rung, and then the places that its end leaves empty in the rungs after it.
    fn on(&mut self, rung: u32, change: impl FnOnce(&mut Rung)) {
        if let Some(rung) = self.rungs.get_mut(rung as usize) {
            change(rung);
        }
        for index in 1..self.rungs.len() {
            let gone = self.rungs[index - 1].short_of_quota();
            self.rungs[index].lose_places(gone);
        }
    }
}
