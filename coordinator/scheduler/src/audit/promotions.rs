//! Promotions and cuts.

use common::ids::TrialNumber;

use super::{Invariant, Log, flaw::Wrong, keep, must};

impl Log {
    pub(super) fn promoted(&mut self, number: TrialNumber, to_rung: usize) -> Result<(), Wrong> {
        keep(Invariant::FinalStates, !self.ended, "a trial is promoted after the end of training")?;
        let (bracket, rung) = (self.trial(number)?.bracket, self.trial(number)?.rung);
        keep(Invariant::FinalStates, !self.trial(number)?.ended, "a trial is promoted that has ended")?;
        keep(Invariant::Promotions, to_rung == rung + 1, "a trial skips a rung")?;
        let quota = self.quota(bracket, rung);
        let size = self.plan.brackets()[bracket].rungs[rung].configs;
        let (gone, ended) = (self.gone(bracket, rung), self.has_ended(bracket, rung));
        let log = &mut self.rungs[bracket][rung];
        let place = log.results.iter().position(|result| result.trial == number);
        let standing = log.results[place.ok_or("a trial is promoted without a result")?];
        let below = log.results.iter().filter(|other| **other > standing).count() as u32 + log.failed;
        keep(Invariant::Promotions, below + gone + quota >= size, "a promotion is not certain yet")?;
        keep(Invariant::Promotions, ended || !self.barrier, "a promotion does not wait for the rung's end")?;
        keep(Invariant::Promotions, log.promoted.insert(number), "a trial is promoted twice")?;
        keep(
            Invariant::Promotions,
            log.promoted.len() as u32 <= quota,
            "more trials are promoted than the next rung holds",
        )?;
        self.trial(number)?.rung = to_rung;
        Ok(())
    }

    pub(super) fn cut(&mut self, number: TrialNumber) -> Result<(), Wrong> {
        let (bracket, rung) = (self.trial(number)?.bracket, self.trial(number)?.rung);
        let trial = self.trial(number)?;
        keep(
            Invariant::FinalStates,
            !trial.ended && trial.lease.is_none(),
            "a trial is cut that has ended, or has a lease",
        )?;
        trial.ended = true;
        if self.ended {
            return Ok(());
        }
        let results = &self.rungs[bracket][rung].results;
        let standing =
            *results.iter().find(|r| r.trial == number).ok_or("a trial is cut without a result")?;
        let better = results.iter().filter(|other| **other < standing).count() as u32;
        keep(
            Invariant::Promotions,
            better >= self.quota(bracket, rung),
            "a trial is cut that could still be promoted",
        )?;
        must(rung + 1 < self.rungs[bracket].len(), "a trial is cut at the last rung")
    }

    pub(super) fn completed(&mut self, number: TrialNumber) -> Result<(), Wrong> {
        let (bracket, rung) = (self.trial(number)?.bracket, self.trial(number)?.rung);
        let trial = self.trial(number)?;
        keep(
            Invariant::FinalStates,
            !trial.ended && trial.lease.is_none(),
            "a trial completes that has ended, or has a lease",
        )?;
        (trial.ended, trial.completed) = (true, true);
        must(rung + 1 == self.rungs[bracket].len(), "a trial completes before the last rung")?;
        let finished = self.rungs[bracket][rung].results.iter().any(|result| result.trial == number);
        must(finished, "a trial completes without a result")
    }

    /// The next rung's planned size.
    pub(super) fn quota(&self, bracket: usize, rung: usize) -> u32 {
        self.plan.brackets()[bracket].rungs.get(rung + 1).map_or(0, |next| next.configs)
    }

    /// Places of a rung that can no longer be filled.
    pub(super) fn gone(&self, bracket: usize, rung: usize) -> u32 {
        let plan = &self.plan.brackets()[bracket];
        if rung == 0 {
            let end = plan.first.0 + plan.configs();
            return end.saturating_sub(self.draws_end.max(plan.first.0));
        }
        let before = self.rungs[bracket][rung - 1].results.len() as u32;
        if self.has_ended(bracket, rung - 1) { plan.rungs[rung].configs.saturating_sub(before) } else { 0 }
    }

    /// Whether no further result of a rung can come.
    pub(super) fn has_ended(&self, bracket: usize, rung: usize) -> bool {
        let log = &self.rungs[bracket][rung];
        let results = log.results.len() as u32 + log.failed;
        results + self.gone(bracket, rung) >= self.plan.brackets()[bracket].rungs[rung].configs
    }
}
