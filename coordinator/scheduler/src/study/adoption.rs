//! Trials that the parent study has trained.

use common::{
    checkpoint::Checkpoint, ids::TrialNumber, metrics::Bits, random::trial_seed, trial::TrialState,
};

use super::Study;
use crate::event::Event;

impl Study {
    /// The events by which the parent's trials become this study's: all of them, before anything else happens.
    pub(super) fn adopted(&self) -> Vec<Event> {
        if !self.spec.is_adopted() {
            return Vec::new();
        }
        let planned = (0..self.plan.configs()).zip(self.spec.scheduler.listed());
        let events = planned.flat_map(|(number, listed)| {
            let trial = TrialNumber(number);
            let (hparams, own) = (listed.hparams.clone(), trial_seed(self.spec.seed, number));
            let drawn = Event::Drawn { trial, hparams, seed: listed.seed.unwrap_or(own) };
            let trained = listed.trained.as_ref();
            let adopted = trained.map(|trained| Event::Adopted {
                trial,
                value: Bits(trained.value),
                checkpoint: trained.checkpoint(),
            });
            std::iter::once(drawn).chain(adopted)
        });
        events.collect()
    }

    /// Takes a trial over: it stands at its only rung's end, at no epochs of this study.
    pub(super) fn adopt(&mut self, number: TrialNumber, value: f64, checkpoint: Checkpoint) {
        self.change(number, |trial| {
            trial.state = TrialState::Paused;
            (trial.epochs, trial.value, trial.val_loss) = (checkpoint.epoch, Some(value), None);
            (trial.checkpoint, trial.result_checkpoint) = (Some(checkpoint), Some(checkpoint));
            trial.finished_rung = Some(0);
        });
        self.take_result(number, (0, checkpoint));
    }
}
