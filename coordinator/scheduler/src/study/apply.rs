//! From an event to the next state.

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, TrialNumber},
    trial::TrialState,
};

use super::{Ending, Study, leases::is_inside};
use crate::{
    event::{Event, ScoredBits},
    lease::Lease,
    queue::{self, Place},
    trial::Trial,
};

impl Study {
    /// Takes an event. It cannot fail: an event that fits nothing changes nothing.
    pub fn apply(&mut self, event: &Event) {
        match *event {
            // The study was built from it.
            Event::Created { .. } => {}
            Event::Drawn { trial, ref hparams, seed } => {
                let cost = queue::cost(&self.spec, hparams);
                self.drawn.insert(&self.spec, trial, hparams);
                self.queue.drew(cost);
                self.draw(Trial::new(trial, self.bracket_of(trial), hparams.clone(), seed, cost));
            }
            Event::Adopted { trial, value, checkpoint } => self.adopt(trial, value.0, checkpoint),
            Event::DrawsEnded { from } => self.end_draws(from),
            Event::Granted { trial, attempt, ref worker, work, at } => {
                let lease = Lease { attempt, worker: worker.clone(), work, since: at, progressed: false };
                self.grant(trial, lease);
            }
            Event::Checkpointed { trial, checkpoint, .. } => {
                self.change(trial, |trial| trial.advance(checkpoint));
                if let Some(lease) = self.leases.get_mut(&trial) {
                    lease.progressed = true;
                }
            }
            Event::RungFinished { trial, attempt, .. } => {
                self.close(trial, attempt, event);
                self.finish_rung(trial, event);
            }
            Event::NotFinite { trial, attempt, epochs, .. } => {
                self.close(trial, attempt, event);
                self.charge(trial, epochs);
                self.fail(trial, "the objective is not finite");
                self.change(trial, |trial| (trial.value, trial.val_loss) = (None, None));
            }
            Event::Released { trial, attempt, checkpoint } => {
                let lease = self.close(trial, attempt, event);
                let inside =
                    |checkpoint: &Checkpoint| lease.is_some_and(|lease| is_inside(&lease, checkpoint));
                if let Some(checkpoint) = checkpoint.filter(inside) {
                    self.change(trial, |trial| trial.advance(checkpoint));
                }
            }
            Event::LeaseLost { trial, attempt } | Event::AttemptFailed { trial, attempt, .. } => {
                self.lose(trial, attempt, event);
            }
            Event::CheckpointLost { trial, checkpoint } => self.lose_checkpoint(trial, checkpoint, event),
            Event::TrialFailed { trial, ref reason } => self.fail(trial, reason),
            Event::Promoted { trial, to_rung } => self.promote(trial, to_rung),
            Event::Cut { trial } => self.dismiss(trial, TrialState::Stopped),
            Event::Completed { trial } => self.dismiss(trial, TrialState::Completed),
            Event::Evaluated { trial, attempt, test: metrics, probabilities, validation } => {
                let test = ScoredBits { metrics, probabilities };
                if let Some(lease) = self.close(trial, attempt, event) {
                    self.take_evaluation(trial, &lease, (test, validation));
                }
            }
            Event::Restored { floor, .. } => self.attempt_floor = self.attempt_floor.max(Attempt(floor)),
            Event::Paused { at } => {
                self.paused = true;
                self.clock.mark(at, false);
            }
            Event::Resumed { at } => {
                self.paused = false;
                self.mark(at);
            }
            Event::Ticked { at } => self.mark(at),
            Event::BudgetEnded { reason, reached, at } => {
                self.ended = Some(reason);
                if reached.is_some() {
                    self.best = self.target_reached;
                }
                // A pause would keep the evaluation, and so the study's end, waiting for ever.
                self.paused = false;
                self.revoke(at);
            }
            Event::Finished { complete, at, .. } => {
                self.finished = Some(Ending { complete, at });
                self.clock.mark(at, false);
            }
        }
    }

    /// Adds a trial.
    fn draw(&mut self, mut trial: Trial) {
        self.states[trial.state as usize] += 1;
        trial.usual_cost = self.queue.usual_cost();
        if let Some(plan) = self.plan.brackets().get(trial.bracket as usize) {
            self.queue.push(Place::of(&trial, plan));
        }
        self.trials.push(trial);
    }

    /// Changes a trial, its place among those that wait for a lease, and the counts of states.
    pub(super) fn change<T>(&mut self, number: TrialNumber, change: impl FnOnce(&mut Trial) -> T) {
        let Some(trial) = self.trials.get_mut(number.0 as usize) else {
            return;
        };
        let (state, ahead, index) = (trial.state, trial.ahead(), trial.bracket as usize);
        let (Some(plan), Some(bracket)) = (self.plan.brackets().get(index), self.brackets.get(index)) else {
            return;
        };
        self.queue.remove(&Place::of(trial, plan));
        change(trial);
        self.states[state as usize] -= 1;
        self.states[trial.state as usize] += 1;
        self.ahead = self.ahead + u64::from(trial.ahead()) - u64::from(ahead);
        if trial.state == TrialState::Pending && !bracket.carries(number) && self.ended.is_none() {
            trial.usual_cost = self.queue.usual_cost();
            self.queue.push(Place::of(trial, plan));
        }
    }
}
