//! Results are ranked, and trials go on or end.

use common::{checkpoint::Checkpoint, ids::TrialNumber, trial::TrialState};

use super::{Best, Study};
use crate::{bracket::Bracket, event::Event};

impl Study {
    /// Takes a finite result.
    pub(super) fn finish_rung(&mut self, number: TrialNumber, event: &Event) {
        let Event::RungFinished { rung, epochs, value, val_loss, checkpoint, early_stopped, .. } = *event
        else {
            return;
        };
        self.charge(number, epochs);
        self.change(number, |trial| {
            trial.state = TrialState::Paused;
            (trial.epochs, trial.value, trial.val_loss) = (epochs, Some(value.0), Some(val_loss.0));
            trial.keep_result_checkpoint(checkpoint);
            trial.early_stopped = early_stopped;
            (trial.finished_rung, trial.result_checkpoint, trial.losses) = (Some(rung), Some(checkpoint), 0);
        });
        self.take_result(number, (rung, checkpoint));
    }

    /// Ranks a trial by the result that it has just got.
    pub(super) fn take_result(&mut self, number: TrialNumber, (rung, checkpoint): (u32, Checkpoint)) {
        let Some(trial) = self.trial(number) else { return };
        let (Some(standing), Some(value)) = (trial.standing(self.goal), trial.value) else { return };
        // Infinite and not NaN, which would not even equal itself: a study equals what its log replays to.
        let (epochs, val_loss) = (trial.epochs, trial.val_loss.unwrap_or(f64::INFINITY));
        let bracket = self.bracket_of(number);
        let rung_epochs = self.rung_epochs(bracket, rung);
        self.in_bracket(bracket, |bracket| bracket.finish(rung, standing));
        let best = Best { trial: number, rung, epochs, value, val_loss, checkpoint, rung_epochs, standing };
        let leads = |led: &Best| rung_epochs.cmp(&led.rung_epochs).then(led.standing.cmp(&standing)).is_gt();
        if self.best.as_ref().is_none_or(leads) {
            self.best = Some(best);
        }
        let reaches = |target| self.goal.compare(value, target).is_le();
        if self.target_reached.is_none() && self.spec.budget.target.is_some_and(reaches) {
            self.target_reached = Some(best);
        }
    }

    /// Counts epochs of a result that was trained for.
    pub(super) fn charge(&mut self, number: TrialNumber, epochs: u32) {
        if let Some(trial) = self.trials.get_mut(number.0 as usize) {
            let before = trial.ahead();
            self.epochs += u64::from(epochs.saturating_sub(trial.charged));
            trial.charged = trial.charged.max(epochs);
            self.ahead = self.ahead + u64::from(trial.ahead()) - u64::from(before);
        }
    }

    /// Ends a trial that has no result, or none that counts.
    pub(super) fn fail(&mut self, number: TrialNumber, reason: &str) {
        let Some((bracket, rung)) = self.trial(number).map(|trial| (trial.bracket, trial.rung)) else {
            return;
        };
        self.change(number, |trial| {
            trial.state = TrialState::Failed;
            trial.failure = Some(reason.to_owned());
            // What was stored since depends on when it was lost, and how often: it is no part of the result.
            (trial.epochs, trial.checkpoint) = (trial.charged, trial.result_checkpoint);
            trial.previous = None;
        });
        self.in_bracket(bracket, |bracket| bracket.fail(rung));
    }

    /// Lets a trial go on to a rung.
    pub(super) fn promote(&mut self, number: TrialNumber, to_rung: u32) {
        let Some(trial) = self.trial(number) else { return };
        let Some(standing) = trial.standing(self.goal) else {
            return;
        };
        let (from_rung, early_stopped) = (trial.rung, trial.early_stopped);
        self.in_bracket(trial.bracket, |bracket| bracket.promote(from_rung, &standing, early_stopped));
        self.change(number, |trial| {
            trial.rung = to_rung;
            trial.state = TrialState::Pending;
        });
    }

    /// Ends a trial that has a result, or none.
    pub(super) fn dismiss(&mut self, number: TrialNumber, state: TrialState) {
        let Some(trial) = self.trial(number) else { return };
        let (rung, standing) = (trial.rung, trial.standing(self.goal));
        self.in_bracket(trial.bracket, |bracket| bracket.dismiss(rung, number, standing.as_ref()));
        self.change(number, |trial| trial.state = state);
        self.update_to_be_evaluated(number);
    }

    /// Leaves the places of all trials from a number on empty.
    pub(super) fn end_draws(&mut self, from: TrialNumber) {
        self.trials_end = from.0;
        for index in 0..self.brackets.len() {
            let plan = &self.plan.brackets()[index];
            let end = plan.first.0 + plan.configs();
            let gone = end.saturating_sub(from.0.max(plan.first.0));
            self.in_bracket(index as u32, |bracket| bracket.lose_places(gone));
        }
    }

    /// Changes a bracket, and what is known about all of them.
    fn in_bracket(&mut self, index: u32, change: impl FnOnce(&mut Bracket)) {
        let Some(bracket) = self.brackets.get_mut(index as usize) else {
            return;
        };
        let was_open = !bracket.has_ended();
        change(bracket);
        self.open -= usize::from(was_open && bracket.has_ended());
        if bracket.is_settled() {
            self.unsettled.remove(&index);
        } else {
            self.unsettled.insert(index);
        }
    }
}
