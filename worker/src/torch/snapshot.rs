//! A trial at an epoch's end, copied so that training can go on before it is decided whether to write it.

use tch::Tensor;
use worker_ext::Error;

use super::{optimizer::Optimizer, weights::Weights};
use crate::history::History;

/// Everything that an exact resume needs, on the device where it was.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Epochs trained.
    pub(super) epoch: u32,
    /// Steps that the optimizer has taken.
    pub(super) steps: u64,
    pub(super) history: History,
    /// Buffers laid out as the weights' parameters, and as their statistics.
    pub(super) values: Tensor,
    pub(super) exp_avg: Tensor,
    pub(super) exp_avg_sq: Tensor,
    pub(super) running: Tensor,
}

impl Snapshot {
    /// Copies a trial's state.
    pub(super) fn of(
        epoch: u32,
        weights: &Weights,
        optimizer: &Optimizer,
        history: History,
    ) -> Result<Self, Error> {
        let copy = |tensor: &Tensor| -> Result<Tensor, Error> {
            let mut copy = tensor.f_empty_like()?;
            copy.f_copy_(tensor)?;
            Ok(copy)
        };
        Ok(Self {
            epoch,
            steps: optimizer.steps,
            history,
            values: copy(&weights.values)?,
            exp_avg: copy(&optimizer.exp_avg)?,
            exp_avg_sq: copy(&optimizer.exp_avg_sq)?,
            running: copy(&weights.running)?,
        })
    }
}
