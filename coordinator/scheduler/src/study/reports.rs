//! Whether a message about a lease fits the lease.

use common::{ids::Attempt, metrics::Bits};

use crate::{
    event::Event,
    input::{Input, Refusal},
    lease::{Lease, Work},
    trial::Trial,
};

/// Refuses a report of what the lease was not for.
pub(super) fn check(trial: &Trial, lease: &Lease, input: &Input) -> Result<(), Refusal> {
    let flaw = match (lease.work, input) {
        (Work::Evaluate { .. }, Input::Evaluated { .. }) => None,
        (_, Input::Lost { .. } | Input::Failed { .. } | Input::Released { checkpoint: None, .. }) => None,
        (Work::Evaluate { .. }, _) => Some("training, but the lease is for an evaluation".to_owned()),
        (Work::Train { .. }, Input::Evaluated { .. }) => {
            Some("an evaluation, but the lease is for training".to_owned())
        }
        (Work::Train { from_epoch, to_epoch, .. }, input) => misfit(from_epoch, to_epoch, input),
    };
    let wrong = |flaw| format!("attempt {} of trial {} reports {flaw}", lease.attempt, trial.number);
    flaw.map_or(Ok(()), |flaw| Err(Refusal::WrongResult(wrong(flaw))))
}

/// What is wrong with a report of training, if anything.
fn misfit(from_epoch: u32, to_epoch: u32, input: &Input) -> Option<String> {
    if let Input::NotFinite { value, .. } = input
        && value.is_finite()
    {
        return Some(format!("that its value is not finite, and {value} is"));
    }
    let (epochs, expected, stored) = match *input {
        Input::Checkpointed { checkpoint, .. } | Input::Released { checkpoint: Some(checkpoint), .. } => {
            (checkpoint.epoch, 0..=to_epoch, checkpoint.epoch)
        }
        Input::Finished { epochs, checkpoint, early_stopped, .. } => {
            let first = if early_stopped { from_epoch } else { to_epoch };
            (epochs, first..=to_epoch, checkpoint.epoch)
        }
        Input::NotFinite { epochs, .. } => (epochs, from_epoch..=to_epoch, epochs),
        _ => return None,
    };
    if !expected.contains(&epochs) {
        Some(format!("epoch {epochs}, but the lease is for epochs {from_epoch} to {to_epoch}"))
    } else if stored != epochs {
        Some(format!("epoch {epochs} with a checkpoint of epoch {stored}"))
    } else {
        None
    }
}

/// Whether a message says again what an event, the end of the trial's last lease, has already said.
pub(super) fn repeats(event: &Event, sent: Attempt, input: &Input) -> bool {
    let same = |a: f64, b: &Bits| Bits(a) == *b;
    match (event, input) {
        (
            Event::RungFinished { attempt, epochs, value, val_loss, checkpoint, early_stopped, .. },
            Input::Finished { epochs: e, value: v, val_loss: l, checkpoint: c, early_stopped: s, .. },
        ) => {
            *attempt == sent
                && epochs == e
                && same(*v, value)
                && same(*l, val_loss)
                && checkpoint == c
                && early_stopped == s
        }
        // A checkpoint inside the lease that arrives after the lease's end is already part of it.
        (Event::RungFinished { attempt, checkpoint, .. }, Input::Checkpointed { checkpoint: late, .. }) => {
            *attempt == sent && late.epoch <= checkpoint.epoch
        }
        (
            Event::NotFinite { attempt, epochs, value, .. },
            Input::NotFinite { epochs: e, value: v, .. } | Input::Finished { epochs: e, value: v, .. },
        ) => *attempt == sent && epochs == e && same(*v, value),
        (Event::Released { attempt, checkpoint, .. }, Input::Released { checkpoint: c, .. }) => {
            *attempt == sent && checkpoint == c
        }
        (Event::LeaseLost { attempt, .. }, Input::Lost { .. }) => *attempt == sent,
        (Event::AttemptFailed { attempt, reason, .. }, Input::Failed { reason: r, .. }) => {
            *attempt == sent && reason == r
        }
        (
            Event::Evaluated { attempt, test, probabilities, validation, .. },
            Input::Evaluated { test: t, probabilities: p, validation: v, .. },
        ) => {
            *attempt == sent && *test == (*t).into() && probabilities == p && *validation == v.map(Into::into)
        }
        _ => false,
    }
}
