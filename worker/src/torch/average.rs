//! The running average of a model's numbers over steps.

use worker_ext::Error;

use super::{numbers::Numbers, weights::Weights};

/// An exponential running average of parameters and statistics, which is what is validated and kept.
#[derive(Debug)]
pub(super) struct Average {
    pub(super) numbers: Numbers,
    decay: f64,
}

impl Average {
    /// The average of weights that have taken no step yet: the weights themselves.
    pub(super) fn new(weights: &Weights, decay: f64) -> Result<Self, Error> {
        Ok(Self { numbers: Numbers::of(weights)?, decay })
    }

    /// Takes in the weights after step number `step`, counted from 1.
    ///
    /// Early steps count for more, so that what the weights began as is soon forgotten.
    pub(super) fn update(&mut self, weights: &Weights, step: u64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let share = 1.0 - self.decay.min((1.0 + step as f64) / (10.0 + step as f64));
        let Numbers { values, running } = &mut self.numbers;
        _ = values.f_lerp_(&weights.values, share)?;
        _ = running.f_lerp_(&weights.running, share)?;
        Ok(())
    }
}
