//! What follows from a study's state by its rules.

use common::{ids::TrialNumber, metrics::Bits, time::Timestamp, trial::TrialState, view::EndReason};

use super::Study;
use crate::{bracket::Outcome, event::Event, trial::Trial};

impl Study {
    /// The events that follow from the state as it is: promotions, cuts, completions, and the study's end.
    ///
    /// Once they are applied more may follow; the study is settled when there are none.
    pub fn consequences(&self, now: Timestamp) -> Vec<Event> {
        if self.finished.is_some() {
            return Vec::new();
        }
        if let Some(reason) = self.budget_end(now) {
            let target = self.target_reached.filter(|_| reason == EndReason::Target);
            return vec![Event::BudgetEnded { reason, reached: target.map(|best| best.trial), at: now }];
        }
        let events = if self.ended.is_some() { self.leftovers() } else { self.outcomes() };
        if !events.is_empty() || self.is_training() || self.waits_for_evaluation() {
            return events;
        }
        let best = self.best.map(|best| best.trial);
        vec![Event::Finished { complete: self.ended.is_none(), best, at: now }]
    }

    /// Why training ends now, although results could still come.
    fn budget_end(&self, now: Timestamp) -> Option<EndReason> {
        if self.ended.is_some() || self.open == 0 {
            None
        } else if self.target_reached.is_some() {
            Some(EndReason::Target)
        } else {
            self.clock.is_over(now).then_some(EndReason::MaxTime)
        }
    }

    /// What is certain in brackets.
    fn outcomes(&self) -> Vec<Event> {
        let brackets = self.unsettled.iter().filter_map(|index| self.brackets.get(*index as usize));
        let outcomes = brackets.flat_map(|bracket| bracket.outcomes());
        outcomes
            .filter_map(|outcome| match outcome {
                Outcome::Promote(trial, to_rung) => Some(Event::Promoted { trial, to_rung }),
                Outcome::Cut(trial) => Some(Event::Cut { trial }),
                Outcome::Complete(trial) => Some(Event::Completed { trial }),
                Outcome::Carry(trial) => self.carried(trial),
            })
            .collect()
    }

    /// An early-stopped trial's result, once more for the rung that it was promoted to.
    fn carried(&self, number: TrialNumber) -> Option<Event> {
        let trial = self.trial(number)?;
        Some(Event::RungFinished {
            trial: number,
            attempt: trial.last_attempt,
            rung: trial.rung,
            epochs: trial.epochs,
            value: Bits(trial.value?),
            val_loss: Bits(trial.val_loss?),
            checkpoint: trial.checkpoint?,
            early_stopped: true,
        })
    }

    /// The ends of the trials that an early end of training has left on their way.
    fn leftovers(&self) -> Vec<Event> {
        let on_their_way =
            TrialState::ALL.into_iter().zip(self.states).filter(|(state, _)| !state.is_final());
        if on_their_way.map(|(_, count)| count).sum::<u32>() == 0 {
            return Vec::new();
        }
        let left = self.trials.iter().filter(|trial| !trial.state.is_final());
        let end = |trial: &Trial| match self.has_finished_bracket(trial) {
            true => Event::Completed { trial: trial.number },
            false => Event::Cut { trial: trial.number },
        };
        left.map(end).collect()
    }

    /// Whether a trial waits at its bracket's last rung.
    fn has_finished_bracket(&self, trial: &Trial) -> bool {
        let rungs = self.brackets.get(trial.bracket as usize).map_or(0, |bracket| bracket.rungs().len());
        trial.state == TrialState::Paused && trial.rung as usize + 1 == rungs
    }
}
