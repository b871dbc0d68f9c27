//! From an input to the facts in it.

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, TrialNumber},
    metrics::Bits,
    time::Timestamp,
    trial::TrialState,
    view::EndReason,
};

use super::{
    Study,
    leases::{is_inside, trains},
    reports::{check, repeats},
};
use crate::{
    event::Event,
    input::{Input, Refusal},
    lease::Lease,
    trial::{MOST_FAILURES, MOST_LOSSES, Trial},
};

impl Study {
    /// The facts of an input. Nothing is changed by asking.
    ///
    /// A message that repeats what is already so gives no event; one whose lease is not current is refused.
    pub fn decide(&self, now: Timestamp, input: &Input) -> Result<Vec<Event>, Refusal> {
        if let Some((trial, attempt)) = input.lease() {
            return self.message(trial, attempt, input);
        }
        let fact = match input {
            Input::Lease { worker, most, others } => {
                return Ok(self.grants(now, (worker, others), *most));
            }
            Input::Tick => self.clock.is_mark_due(now).then_some(Event::Ticked { at: now }),
            Input::Damaged { trial, checkpoint } => self.damaged(*trial, *checkpoint),
            Input::Stop if self.finished.is_some() && self.ended == Some(EndReason::Requested) => None,
            _ if self.finished.is_some() => return Err(Refusal::AlreadyEnded),
            Input::Stop if self.is_training() => {
                Some(Event::BudgetEnded { reason: EndReason::Requested, reached: None, at: now })
            }
            // Training is over, and a pause would keep the study's end waiting for ever.
            Input::Stop => self.paused.then_some(Event::Resumed { at: now }),
            Input::Pause => (!self.paused).then_some(Event::Paused { at: now }),
            Input::Resume => self.paused.then_some(Event::Resumed { at: now }),
            _ => None,
        };
        Ok(fact.into_iter().collect())
    }

    /// What follows from a checkpoint that is gone, where a trial was to go on from it. A trial that trains no more is not
    /// affected: nothing goes on from its checkpoint, and who asks for it hears that it is damaged.
    fn damaged(&self, number: TrialNumber, checkpoint: Checkpoint) -> Option<Event> {
        let trial = self.trial(number).filter(|trial| trial.checkpoint == Some(checkpoint))?;
        let trains = matches!(trial.state, TrialState::Pending | TrialState::Running);
        trains.then_some(Event::CheckpointLost { trial: number, checkpoint })
    }

    /// The facts of a message about a lease.
    fn message(&self, trial: TrialNumber, attempt: Attempt, input: &Input) -> Result<Vec<Event>, Refusal> {
        let trial = self.trial(trial).ok_or(Refusal::UnknownTrial { trial })?;
        match self.leases.get(&trial.number) {
            Some(lease) if lease.attempt == attempt => self.report(trial, lease, input),
            _ if trial.closed.as_deref().is_some_and(|event| repeats(event, attempt, input)) => {
                Ok(Vec::new())
            }
            lease => {
                let current = lease.map(|lease| lease.attempt);
                Err(Refusal::StaleLease { trial: trial.number, attempt, current })
            }
        }
    }

    /// The facts of a message about a current lease.
    fn report(&self, trial: &Trial, lease: &Lease, input: &Input) -> Result<Vec<Event>, Refusal> {
        check(trial, lease, input)?;
        let fact = fact(trial, lease, input);
        let failure = fact.as_ref().and_then(|fact| last_straw(trial, lease, fact));
        let end = failure.map(|reason| Event::TrialFailed { trial: trial.number, reason });
        Ok(fact.into_iter().chain(end).collect())
    }
}

/// What a message about a lease says, unless it is known.
fn fact(trial: &Trial, lease: &Lease, input: &Input) -> Option<Event> {
    let (durable, rung) = (trial.durable_epochs(), trial.rung);
    let (trial, attempt) = (trial.number, lease.attempt);
    let fact = match *input {
        Input::Checkpointed { checkpoint, .. } => {
            let newer = checkpoint.epoch > durable && is_inside(lease, &checkpoint);
            return newer.then_some(Event::Checkpointed { trial, attempt, checkpoint });
        }
        Input::Finished { epochs, value, .. } | Input::NotFinite { epochs, value, .. }
            if !value.is_finite() =>
        {
            Event::NotFinite { trial, attempt, rung, epochs, value: Bits(value) }
        }
        Input::Finished { epochs, value, val_loss, checkpoint, early_stopped, .. } => {
            let (value, val_loss) = (Bits(value), Bits(val_loss));
            Event::RungFinished { trial, attempt, rung, epochs, value, val_loss, checkpoint, early_stopped }
        }
        Input::Released { checkpoint, .. } => Event::Released { trial, attempt, checkpoint },
        Input::Lost { .. } => Event::LeaseLost { trial, attempt },
        Input::Failed { ref reason, .. } => Event::AttemptFailed { trial, attempt, reason: reason.clone() },
        Input::Evaluated { test, probabilities, validation, .. } => {
            let (test, validation) = (test.into(), validation.map(Into::into));
            Event::Evaluated { trial, attempt, test, probabilities, validation }
        }
        _ => return None,
    };
    Some(fact)
}

/// Why a trial fails for good with the end of its lease, if it does.
fn last_straw(trial: &Trial, lease: &Lease, end: &Event) -> Option<String> {
    match end {
        _ if !trains(lease) => None,
        // A lease that brought an epoch has reset the count.
        Event::LeaseLost { .. } if trial.losses + 1 >= MOST_LOSSES => {
            Some(format!("{MOST_LOSSES} leases in a row were lost before a new epoch was stored"))
        }
        Event::AttemptFailed { reason, .. } if trial.failures + 1 >= MOST_FAILURES => {
            Some(format!("{MOST_FAILURES} attempts failed, the last one: {reason}"))
        }
        _ => None,
    }
}
