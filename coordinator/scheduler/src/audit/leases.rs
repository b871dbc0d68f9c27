//! Leases, and what is reported under them.

use common::ids::{Attempt, TrialNumber};

use super::{Invariant, Log, flaw::Wrong, keep, must};
use crate::{
    event::Event,
    lease::Work,
    rank::Standing,
    trial::{MOST_FAILURES, MOST_LOSSES},
};

impl Log {
    /// Takes an event about a lease.
    pub(super) fn leased(&mut self, event: &Event) -> Result<(), Wrong> {
        match *event {
            Event::Granted { trial, attempt, work, .. } => self.granted(trial, attempt, work),
            Event::Checkpointed { trial, attempt, checkpoint } => {
                let trial = self.trial(trial)?;
                keep(
                    Invariant::OneAttempt,
                    trial.lease == Some((attempt, true)),
                    "a checkpoint comes without a lease",
                )?;
                let newer = trial.durable.is_none_or(|durable| durable.epoch < checkpoint.epoch);
                must(newer, "a checkpoint is not newer than the last")?;
                trial.store(checkpoint);
                Ok(())
            }
            Event::CheckpointLost { trial, checkpoint } => {
                let trial = self.trial(trial)?;
                keep(
                    Invariant::FinalStates,
                    !trial.ended,
                    "a trial that has ended goes back to a checkpoint",
                )?;
                must(trial.durable == Some(checkpoint), "a checkpoint is lost that is not the newest")?;
                trial.durable = trial.previous.take();
                trial.lease = None;
                Ok(())
            }
            Event::RungFinished { .. } => self.rung_finished(event),
            Event::NotFinite { trial, attempt, rung, epochs, value } => {
                must(!value.0.is_finite(), "a finite value is called not finite")?;
                must(self.trial(trial)?.rung == rung as usize, "the trial is on another rung")?;
                must(self.close(trial, attempt)?, "training ends under an evaluation's lease")?;
                self.charge(trial, epochs)?;
                self.fail(trial)
            }
            Event::Released { trial, attempt, checkpoint } => {
                let trains = self.close(trial, attempt)?;
                let trial = self.trial(trial)?;
                let end = trial.durable.map_or(0, |durable| durable.epoch);
                if let Some(checkpoint) =
                    checkpoint.filter(|c| trains && c.epoch > end && c.epoch < trial.to_epoch)
                {
                    trial.store(checkpoint);
                }
                Ok(())
            }
            Event::LeaseLost { trial, attempt } => {
                let trains = self.close(trial, attempt)?;
                let trial = self.trial(trial)?;
                let fruitless = trial.durable == trial.resumed;
                trial.losses += u32::from(trains && fruitless);
                trial.evaluation.losses += u32::from(!trains);
                Ok(())
            }
            Event::AttemptFailed { trial, attempt, .. } => {
                let trains = self.close(trial, attempt)?;
                let trial = self.trial(trial)?;
                trial.failures += u32::from(trains);
                trial.evaluation.failures += u32::from(!trains);
                Ok(())
            }
            Event::Evaluated { trial, attempt, .. } => {
                must(!self.close(trial, attempt)?, "an evaluation ends under a lease to train")?;
                self.trial(trial)?.evaluation.done = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn granted(&mut self, number: TrialNumber, attempt: Attempt, work: Work) -> Result<(), Wrong> {
        must(!self.paused, "a lease is given in a pause")?;
        let (ended, floor) = (self.ended, self.floor);
        let TrialAt { epochs, .. } = self.at(number)?;
        let trial = self.trial(number)?;
        keep(Invariant::OneAttempt, trial.lease.is_none(), "a second lease is given on a trial")?;
        keep(
            Invariant::AttemptsIncrease,
            attempt > trial.last_attempt.max(Attempt(floor)),
            "an attempt does not exceed the last one",
        )?;
        let trains = matches!(work, Work::Train { .. });
        trial.last_attempt = attempt;
        trial.lease = Some((attempt, trains));
        let (from_epoch, to_epoch, resume) = match work {
            Work::Train { from_epoch, to_epoch, resume } => (from_epoch, to_epoch, resume),
            Work::Evaluate { checkpoint } => return self.evaluation_granted(number, checkpoint),
        };
        (trial.to_epoch, trial.resumed) = (to_epoch, resume);
        keep(
            Invariant::FinalStates,
            !trial.ended && !ended,
            "a lease to train is given on a trial that has ended",
        )?;
        must(resume == trial.durable, "a lease does not go on from the last durable checkpoint")?;
        must(from_epoch == resume.map_or(0, |resume| resume.epoch), "a lease goes on from another epoch")?;
        must(from_epoch < to_epoch && to_epoch == epochs, "a lease does not train to its rung's end")
    }

    fn rung_finished(&mut self, event: &Event) -> Result<(), Wrong> {
        let Event::RungFinished {
            trial: number,
            attempt,
            rung,
            epochs,
            value,
            val_loss,
            checkpoint,
            early_stopped,
        } = *event
        else {
            return Ok(());
        };
        let at = self.at(number)?;
        must(value.0.is_finite(), "a value that is not finite is ranked")?;
        must(at.rung == rung as usize, "the trial is on another rung")?;
        must(epochs == at.epochs || early_stopped && epochs < at.epochs, "a rung ends at another epoch")?;
        must(checkpoint.epoch == epochs, "the checkpoint is of another epoch")?;
        if self.trial(number)?.early_stopped {
            must(
                self.trial(number)?.durable == Some(checkpoint),
                "a carried result names another checkpoint",
            )?;
            must(self.trial(number)?.lease.is_none(), "an early-stopped trial has a lease")?;
        } else {
            must(self.close(number, attempt)?, "training ends under an evaluation's lease")?;
        }
        self.charge(number, epochs)?;
        let standing = Standing::new(self.goal, value.0, val_loss.0, number);
        let rung = self.rung(number)?;
        must(rung.results.iter().all(|other| other.trial != number), "a trial finishes a rung twice")?;
        rung.results.push(standing);
        let trial = self.trial(number)?;
        trial.store(checkpoint);
        trial.early_stopped = early_stopped;
        Ok(())
    }

    /// Takes the end of a trial that failed for good.
    pub(super) fn trial_failed(&mut self, number: TrialNumber) -> Result<(), Wrong> {
        let trial = self.trial(number)?;
        let deserved = trial.failures >= MOST_FAILURES || trial.losses >= MOST_LOSSES;
        must(deserved, "a trial fails that could be tried again")?;
        self.fail(number)
    }

    /// Counts a failure in the rung that a trial is on.
    fn fail(&mut self, number: TrialNumber) -> Result<(), Wrong> {
        let trial = self.trial(number)?;
        keep(Invariant::FinalStates, !trial.ended, "a trial ends twice")?;
        trial.ended = true;
        self.rung(number)?.failed += 1;
        Ok(())
    }

    /// Ends a lease, and says whether it was to train.
    fn close(&mut self, number: TrialNumber, attempt: Attempt) -> Result<bool, Wrong> {
        match self.trial(number)?.lease.take() {
            Some((current, trains)) if current == attempt => Ok(trains),
            lease => {
                let what = format!("attempt {attempt} of trial {number} ends, but {lease:?} is current");
                Err(Wrong { invariant: Invariant::OneAttempt, what })
            }
        }
    }

    /// Charges epochs, never more than the plan has.
    fn charge(&mut self, number: TrialNumber, epochs: u32) -> Result<(), Wrong> {
        let trial = self.trial(number)?;
        let new = epochs.saturating_sub(trial.charged);
        trial.charged += new;
        self.epochs += u64::from(new);
        keep(
            Invariant::Budget,
            self.epochs <= self.plan.epochs_resumed(),
            "more epochs are charged than planned",
        )
    }

    /// Where a trial is.
    fn at(&mut self, number: TrialNumber) -> Result<TrialAt, Wrong> {
        let (bracket, rung) = (self.trial(number)?.bracket, self.trial(number)?.rung);
        Ok(TrialAt { rung, epochs: self.plan.brackets()[bracket].rungs[rung].epochs })
    }
}

/// A trial's rung, and the epochs at its end.
struct TrialAt {
    rung: usize,
    epochs: u32,
}
