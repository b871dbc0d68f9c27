//! A trial at an epoch's end, copied so that training can go on before it is decided whether to write it.

use tch::Tensor;
use worker_ext::Error;

use super::{
    epoch::Learner,
    numbers::{Numbers, copy},
};
use crate::history::History;

/// Everything that an exact resume needs, on the device where it was.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Epochs trained.
    pub(super) epoch: u32,
    /// Steps that the optimizer has taken.
    pub(super) steps: u64,
    pub(super) history: History,
    /// The numbers that training goes on with.
    pub(super) trained: Numbers,
    /// Their average over steps, where one is kept.
    pub(super) average: Option<Numbers>,
    /// What was validated in the best epoch so far, where trials go back to it.
    pub(super) best: Option<Numbers>,
    /// The optimizer's running sums.
    pub(super) optimizer: Vec<Tensor>,
    /// Whether the model that the checkpoint shows is that of the best epoch.
    pub(super) restored: bool,
}

impl Snapshot {
    /// Copies a trial's state.
    pub(super) fn of(epoch: u32, learner: &Learner, history: History, restored: bool) -> Result<Self, Error> {
        Ok(Self {
            epoch,
            steps: learner.optimizer.steps,
            history,
            trained: Numbers::of(&learner.weights)?,
            average: learner.average.as_ref().map(|average| average.numbers.copy()).transpose()?,
            best: learner.best.as_ref().map(Numbers::copy).transpose()?,
            optimizer: learner.optimizer.state.iter().map(copy).collect::<Result<_, _>>()?,
            restored,
        })
    }

    /// The model as others see it: that of the best epoch, the average, or as it was trained.
    pub(super) fn shown(&self) -> &Numbers {
        let best = self.best.as_ref().filter(|_| self.restored);
        best.or(self.average.as_ref()).unwrap_or(&self.trained)
    }
}
