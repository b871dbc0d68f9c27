//! A copy of a model's numbers.

use tch::Tensor;
use worker_ext::Error;

use super::weights::Weights;

/// Parameters and batch-norm statistics, in buffers laid out as those of the [`Weights`].
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) values: Tensor,
    pub(super) running: Tensor,
}

impl Numbers {
    /// The weights' numbers as they are now.
    pub(super) fn of(weights: &Weights) -> Result<Self, Error> {
        Ok(Self { values: copy(&weights.values)?, running: copy(&weights.running)? })
    }

    /// A copy.
    pub(super) fn copy(&self) -> Result<Self, Error> {
        Ok(Self { values: copy(&self.values)?, running: copy(&self.running)? })
    }

    /// Makes them the weights' numbers.
    pub(super) fn put_into(&self, weights: &Weights) -> Result<(), Error> {
        weights.values.shallow_clone().f_copy_(&self.values)?;
        weights.running.shallow_clone().f_copy_(&self.running)?;
        Ok(())
    }
}

/// A tensor's own copy.
pub(super) fn copy(tensor: &Tensor) -> Result<Tensor, Error> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}
