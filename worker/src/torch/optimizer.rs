//! Adam and what it remembers.

use tch::Tensor;
use worker_ext::{
    Error,
    optim::{Adam, Rates},
};

use super::weights::Weights;

/// Running means of gradients and of their squares, in buffers laid out as the parameters.
#[derive(Debug)]
pub(super) struct Optimizer {
    pub(super) exp_avg: Tensor,
    pub(super) exp_avg_sq: Tensor,
    /// Steps taken so far.
    pub(super) steps: u64,
    rates: Rates,
}

impl Optimizer {
    /// An optimizer that has taken no step yet.
    pub(super) fn new(weights: &Weights, learning_rate: f64) -> Result<Self, Error> {
        let (exp_avg, exp_avg_sq) =
            (weights.parameters.zeros(weights.device())?, weights.parameters.zeros(weights.device())?);
        let rates = Rates { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Ok(Self { exp_avg, exp_avg_sq, steps: 0, rates })
    }

    /// The rate of the next step.
    pub(super) fn learning_rate(&self) -> f64 {
        self.rates.learning_rate
    }

    /// Moves the parameters against their gradients.
    pub(super) fn step(&mut self, weights: &Weights) -> Result<(), Error> {
        self.steps += 1;
        let adam = Adam {
            param: &weights.values,
            grad: &weights.grads,
            exp_avg: &self.exp_avg,
            exp_avg_sq: &self.exp_avg_sq,
        };
        adam.step(self.steps, &self.rates)
    }
}
