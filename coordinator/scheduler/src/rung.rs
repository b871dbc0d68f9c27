//! A rung: results come in, some trials go on, the others are stopped.

use std::collections::BTreeSet;

use common::{ids::TrialNumber, study::PromotionMode};

use crate::{plan::RungPlan, rank::Standing};

/// A rung of a bracket.
///
/// Failed trials count as results that rank last. Promoted trials are always the best of the finite results, so
/// those that wait stand in order behind them, and one comparison of counts decides about the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    plan: RungPlan,
    /// The next rung's planned size; none in the last rung.
    quota: Option<u32>,
    /// Trials with a finite result.
    finite: u32,
    /// Trials that failed here.
    failed: u32,
    /// Places that can no longer be filled.
    gone: u32,
    /// Trials that went on.
    promoted: u32,
    /// Trials with a finite result about which nothing is decided yet.
    waiting: BTreeSet<Standing>,
}

/// What is certain about a trial that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on to the next rung.
    Promote,
    /// It can no longer go on.
    Cut,
    /// There is no further rung.
    Complete,
}

impl Rung {
    /// A rung before its first result.
    pub(crate) fn new(plan: RungPlan, next: Option<RungPlan>) -> Self {
        let quota = next.map(|next| next.configs);
        Self { plan, quota, finite: 0, failed: 0, gone: 0, promoted: 0, waiting: BTreeSet::new() }
    }

    /// Its planned size and epochs.
    pub fn plan(&self) -> RungPlan {
        self.plan
    }

    /// Trials with a finite result.
    pub fn finite(&self) -> u32 {
        self.finite
    }

    /// Trials that failed here.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// Places that can no longer be filled, because the rung before ended short or the space ran out.
    pub fn gone(&self) -> u32 {
        self.gone
    }

    /// Trials that went on to the next rung.
    pub fn promoted(&self) -> u32 {
        self.promoted
    }

    /// Trials with a finite result about which nothing is decided yet, the best first.
    pub fn waiting(&self) -> impl Iterator<Item = TrialNumber> {
        self.waiting.iter().map(|standing| standing.trial)
    }

    /// Whether no further result can come.
    pub fn has_ended(&self) -> bool {
        self.finite + self.failed + self.gone >= self.plan.configs
    }

    /// Places of the next rung that stay empty; 0 until this rung has ended.
    pub(crate) fn short_of_quota(&self) -> u32 {
        if self.has_ended() { self.quota.map_or(0, |quota| quota.saturating_sub(self.finite)) } else { 0 }
    }

    /// Whether nothing is certain that has not happened yet.
    pub(crate) fn is_settled(&self, mode: PromotionMode) -> bool {
        let Some(quota) = self.quota else {
            return self.waiting.is_empty();
        };
        let may_wait = quota.saturating_sub(self.promoted) as usize;
        self.waiting.is_empty() || self.certain(mode) <= self.promoted && self.waiting.len() <= may_wait
    }

    /// What is certain about trials that wait, and has not happened yet.
    pub(crate) fn verdicts(&self, mode: PromotionMode) -> Vec<(TrialNumber, Verdict)> {
        let trials = self.waiting();
        let Some(quota) = self.quota else {
            return trials.map(|trial| (trial, Verdict::Complete)).collect();
        };
        let promote = self.certain(mode).saturating_sub(self.promoted) as usize;
        let may_wait = quota.saturating_sub(self.promoted) as usize;
        trials
            .enumerate()
            .filter_map(|(place, trial)| match place {
                _ if place < promote => Some((trial, Verdict::Promote)),
                _ if place >= may_wait => Some((trial, Verdict::Cut)),
                _ => None,
            })
            .collect()
    }

    /// How many of the best finite results are promoted for certain.
    ///
    /// The result at place p (from 1, of m results) has m - p results below it, failed ones included. With n places
    /// and a quota of k it is safe once m - p + gone >= n - k: even if every result to come were better, at least
    /// n - k of the rung's n places would rank below it. So the first m + gone - (n - k) are safe.
    fn certain(&self, mode: PromotionMode) -> u32 {
        let quota = self.quota.unwrap_or(0);
        match mode {
            PromotionMode::Barrier if !self.has_ended() => 0,
            PromotionMode::Barrier | PromotionMode::Early => {
                (self.finite + self.failed + self.gone + quota).saturating_sub(self.plan.configs)
            }
        }
    }

    /// Takes a finite result.
    pub(crate) fn finish(&mut self, standing: Standing) {
        self.finite += 1;
        self.waiting.insert(standing);
    }

    /// Takes a failure.
    pub(crate) fn fail(&mut self) {
        self.failed += 1;
    }

    /// Sets how many places can no longer be filled.
    pub(crate) fn lose_places(&mut self, gone: u32) {
        self.gone = gone;
    }

    /// Lets a trial go on.
    pub(crate) fn promote(&mut self, standing: &Standing) {
        self.waiting.remove(standing);
        self.promoted += 1;
    }

    /// Lets a trial go: it was stopped, or has completed the last rung.
    pub(crate) fn dismiss(&mut self, standing: &Standing) {
        self.waiting.remove(standing);
    }
}
