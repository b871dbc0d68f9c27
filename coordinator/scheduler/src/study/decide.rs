//! From an input to the facts in it.

use common::{
    ids::{Attempt, TrialNumber},
    metrics::Bits,
    time::Timestamp,
};

use super::{
    Study,
    leases::{is_inside, trains},
    reports::{check, repeats},
};
use crate::{
    budget::EndReason,
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
            Input::Lease { worker, most } => return Ok(self.grants(now, worker, *most)),
            Input::Tick => self.clock.is_mark_due(now).then_some(Event::Ticked { at: now }),
            Input::Stop if self.ended == Some(EndReason::Requested) => None,
            _ if self.finished.is_some() => return Err(Refusal::AlreadyEnded),
            Input::Stop => {
                self.is_training().then_some(Event::BudgetEnded { reason: EndReason::Requested, at: now })
            }
            Input::Pause => (!self.paused).then_some(Event::Paused { at: now }),
            Input::Resume => self.paused.then_some(Event::Resumed { at: now }),
            _ => None,
        };
        Ok(fact.into_iter().collect())
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
        let (number, attempt, rung) = (trial.number, lease.attempt, trial.rung);
        let failed = |reason: String| Event::TrialFailed { trial: number, reason };
        let events = match *input {
            Input::Checkpointed { checkpoint, .. } => {
                let newer = checkpoint.epoch > trial.durable_epochs() && is_inside(lease, &checkpoint);
                newer
                    .then_some(Event::Checkpointed { trial: number, attempt, checkpoint })
                    .into_iter()
                    .collect()
            }
            Input::Finished { epochs, value, .. } | Input::NotFinite { epochs, value, .. }
                if !value.is_finite() =>
            {
                vec![Event::NotFinite { trial: number, attempt, rung, epochs, value: Bits(value) }]
            }
            Input::Finished { epochs, value, val_loss, checkpoint, early_stopped, .. } => {
                let (value, val_loss) = (Bits(value), Bits(val_loss));
                let trial = number;
                vec![Event::RungFinished {
                    trial,
                    attempt,
                    rung,
                    epochs,
                    value,
                    val_loss,
                    checkpoint,
                    early_stopped,
                }]
            }
            Input::Released { checkpoint, .. } => {
                vec![Event::Released { trial: number, attempt, checkpoint }]
            }
            Input::Lost { .. } => {
                let lost = Event::LeaseLost { trial: number, attempt };
                let last = trains(lease) && !lease.progressed && trial.losses + 1 >= MOST_LOSSES;
                let why = || format!("{MOST_LOSSES} leases in a row were lost before a new epoch was stored");
                [lost].into_iter().chain(last.then(|| failed(why()))).collect()
            }
            Input::Failed { ref reason, .. } => {
                let attempt_failed = Event::AttemptFailed { trial: number, attempt, reason: reason.clone() };
                let last = trains(lease) && trial.failures + 1 >= MOST_FAILURES;
                let why = || format!("{MOST_FAILURES} attempts failed, the last one: {reason}");
                [attempt_failed].into_iter().chain(last.then(|| failed(why()))).collect()
            }
            Input::Evaluated { test, probabilities, .. } => {
                vec![Event::Evaluated { trial: number, attempt, test: test.into(), probabilities }]
            }
            _ => vec![],
        };
        Ok(events)
    }
}
