//! Trials that were trained elsewhere, and what is measured once training is over.

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, TrialNumber},
};

use super::{Log, TrialLog, flaw::Wrong, must};
use crate::{
    rank::Standing,
    trial::{MOST_FAILURES, MOST_LOSSES},
};

impl Log {
    pub(super) fn adopted(
        &mut self,
        number: TrialNumber,
        value: f64,
        checkpoint: Checkpoint,
    ) -> Result<(), Wrong> {
        must(self.adopted && value.is_finite(), "a trial is taken over that the study does not list so")?;
        let trial = self.trial(number)?;
        must(trial.last_attempt == Attempt(0) && !trial.ended, "a trial is taken over after it began")?;
        must(trial.durable.replace(checkpoint).is_none(), "a trial is taken over twice")?;
        let standing = Standing::new(self.goal, value, f64::NAN, number);
        self.rung(number)?.results.push(standing);
        Ok(())
    }

    /// A lease to evaluate comes after all training, once for each trial whose turn it is.
    pub(super) fn evaluation_granted(
        &mut self,
        number: TrialNumber,
        checkpoint: Checkpoint,
    ) -> Result<(), Wrong> {
        must(
            self.trials.iter().all(|trial| trial.ended),
            "a checkpoint is measured before training is over",
        )?;
        let (best, all) = (self.best() == Some(number), self.evaluates_all);
        let trial = self.trial(number)?;
        must(best || all && trial.completed, "a trial is measured that is neither the best nor completed")?;
        must(!is_evaluated(trial), "a trial is measured once more")?;
        must(!trial.completed || trial.durable == Some(checkpoint), "another checkpoint is measured")
    }

    /// At the study's end all is measured that was to be, as far as that was possible.
    pub(super) fn check_evaluations(&self) -> Result<(), Wrong> {
        let best = self.best();
        let due = |number: TrialNumber, trial: &TrialLog| {
            best == Some(number) || self.evaluates_all && trial.completed
        };
        let mut trials = (0..).map(TrialNumber).zip(&self.trials);
        let missing = trials.find(|(number, trial)| due(*number, trial) && !is_evaluated(trial));
        must(missing.is_none(), "the study has finished, but not all evaluations")
    }
}

/// Whether a trial has been measured, or given up.
fn is_evaluated(trial: &TrialLog) -> bool {
    let evaluation = &trial.evaluation;
    evaluation.done || evaluation.failures >= MOST_FAILURES || evaluation.losses >= MOST_LOSSES
}
