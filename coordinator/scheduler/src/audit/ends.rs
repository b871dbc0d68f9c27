//! The study's end.

use std::cmp::Reverse;

use common::ids::TrialNumber;

use super::{Invariant, Log, flaw::Wrong, keep, must};

impl Log {
    pub(super) fn study_finished(&mut self, complete: bool, best: Option<TrialNumber>) -> Result<(), Wrong> {
        self.finished = true;
        must(complete != self.ended, "a study is complete exactly when its training was not ended early")?;
        let under_way = self.trials.iter().any(|trial| !trial.ended || trial.lease.is_some());
        must(!under_way, "the study has finished, but not all of its trials")?;
        must(best == self.best(), "another trial is the best")?;
        self.check_evaluations()?;
        if !complete {
            return Ok(());
        }
        for bracket in 0..self.rungs.len() {
            for rung in 0..self.rungs[bracket].len() {
                self.check_rung(bracket, rung)?;
            }
        }
        Ok(())
    }

    /// The promoted trials of a rung that has ended are the best ones, as if they had been chosen at its end.
    fn check_rung(&self, bracket: usize, rung: usize) -> Result<(), Wrong> {
        must(self.has_ended(bracket, rung), "the study has finished, but not all of its rungs")?;
        let log = &self.rungs[bracket][rung];
        let mut results = log.results.clone();
        results.sort();
        let quota = self.quota(bracket, rung) as usize;
        let chosen = results.iter().take(quota).map(|result| result.trial).collect();
        keep(
            Invariant::Promotions,
            log.promoted == chosen,
            "other trials were promoted than a synchronous rung would have",
        )
    }

    /// The trial that reached the target, or else that of the best result among those of the most epochs.
    pub(super) fn best(&self) -> Option<TrialNumber> {
        if self.reached.is_some() {
            return self.reached;
        }
        let rungs =
            self.plan.brackets().iter().zip(&self.rungs).flat_map(|(plan, logs)| plan.rungs.iter().zip(logs));
        let results =
            rungs.flat_map(|(plan, log)| log.results.iter().map(|result| (Reverse(plan.epochs), *result)));
        results.min().map(|(_, result)| result.trial)
    }
}
