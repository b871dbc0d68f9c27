//! An optimizer and what it remembers.

use common::{recipe::Recipe, study};
use tch::Tensor;
use worker_ext::{
    Error,
    optim::{Adam, Moved, RmsProp, Sgd},
};

use super::weights::Weights;

/// One rule, and its running sums in buffers laid out as the parameters.
#[derive(Debug)]
pub(super) struct Optimizer {
    rule: study::Optimizer,
    pub(super) state: Vec<Tensor>,
    /// Steps taken so far.
    pub(super) steps: u64,
    momentum: f64,
    clip_norm: Option<f64>,
    /// Stretches of the buffers, first element and length, with how much of them decays.
    stretches: Vec<(i64, i64, f64)>,
}

impl Optimizer {
    /// An optimizer that has taken no step yet, and moves nothing of the first `frozen` layers.
    pub(super) fn new(weights: &Weights, recipe: &Recipe, frozen: usize) -> Result<Self, Error> {
        let rule = recipe.optimizer;
        let state = state_names(rule).iter().map(|_| weights.parameters.zeros(weights.device()));
        Ok(Self {
            rule,
            state: state.collect::<Result<_, _>>()?,
            steps: 0,
            momentum: recipe.momentum,
            clip_norm: recipe.clip_norm,
            stretches: stretches(weights, recipe.weight_decay, frozen),
        })
    }

    /// What the running sums are called in PyTorch's own optimizer.
    pub(super) fn state_names(&self) -> &'static [&'static str] {
        state_names(self.rule)
    }

    /// Moves the parameters against their gradients.
    pub(super) fn step(&mut self, weights: &Weights, learning_rate: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        if let Some(most) = self.clip_norm {
            clip(&weights.grads, most)?;
        }
        for (first, length, decay) in &self.stretches {
            let part = |tensor: &Tensor| tensor.f_narrow(0, *first, *length);
            let (param, grad) = (part(&weights.values)?, part(&weights.grads)?);
            let state = self.state.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            self.move_stretch(Moved { param: &param, grad: &grad }, &state, (learning_rate, *decay))?;
        }
        Ok(())
    }

    fn move_stretch(
        &self,
        moved: Moved<'_>,
        state: &[Tensor],
        (learning_rate, weight_decay): (f64, f64),
    ) -> Result<(), Error> {
        let adam = |decoupled| {
            let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
            Adam { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled }
        };
        match self.rule {
            study::Optimizer::Adam => adam(false).step(moved, (&state[0], &state[1]), self.steps),
            study::Optimizer::Adamw => adam(true).step(moved, (&state[0], &state[1]), self.steps),
            study::Optimizer::Sgd => {
                Sgd { learning_rate, momentum: self.momentum, weight_decay }.step(moved, &state[0])
            }
            study::Optimizer::Rmsprop => {
                RmsProp { learning_rate, alpha: 0.99, epsilon: 1e-8, weight_decay }.step(moved, &state[0])
            }
        }
    }
}

fn state_names(rule: study::Optimizer) -> &'static [&'static str] {
    match rule {
        study::Optimizer::Adam | study::Optimizer::Adamw => &["exp_avg", "exp_avg_sq"],
        study::Optimizer::Sgd => &["momentum_buffer"],
        study::Optimizer::Rmsprop => &["square_avg"],
    }
}

/// The parameters of all but the first `frozen` layers in stretches that decay alike: matrices and kernels do, biases
/// and batch norm do not. One stretch where nothing decays.
fn stretches(weights: &Weights, weight_decay: f64, frozen: usize) -> Vec<(i64, i64, f64)> {
    let size = weights.values.size()[0];
    let slots = weights.parameters.slots();
    // Layers lie one after another.
    let Some(first) = slots.iter().position(|slot| slot.layer >= frozen) else { return Vec::new() };
    let slots = &slots[first..];
    if weight_decay == 0.0 {
        return vec![(slots[0].offset, size - slots[0].offset, 0.0)];
    }
    let ends = slots.iter().skip(1).map(|slot| slot.offset).chain([size]);
    let mut stretches: Vec<(i64, i64, f64)> = Vec::new();
    for (slot, end) in slots.iter().zip(ends) {
        let decay = if slot.shape.len() > 1 { weight_decay } else { 0.0 };
        match stretches.last_mut() {
            Some((first, length, last)) if *last == decay => *length = end - *first,
            _ => stretches.push((slot.offset, end - slot.offset, decay)),
        }
    }
    stretches
}

/// Shortens gradients to a norm of at most `most`.
fn clip(grads: &Tensor, most: f64) -> Result<(), Error> {
    let norm = grads.f_norm()?.f_double_value(&[])?;
    if norm > most {
        _ = grads.shallow_clone().f_mul_scalar_(most / norm)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::torch::tests::{cnn, recipe};

    #[test]
    fn kernels_and_matrices_decay_and_nothing_else() {
        let weights = Weights::new(&cnn(), 1, Device::Cpu).unwrap();
        let names: Vec<bool> = weights.parameters.slots().iter().map(|slot| slot.shape.len() > 1).collect();
        let stretches = stretches(&weights, 0.1, 0);
        assert_eq!(stretches.iter().map(|(_, length, _)| length).sum::<i64>(), weights.values.size()[0]);
        assert!(
            stretches.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0 && pair[0].2 != pair[1].2)
        );
        assert_eq!(
            stretches.iter().filter(|(.., decay)| *decay > 0.0).count(),
            names.iter().filter(|n| **n).count()
        );
        assert_eq!(super::stretches(&weights, 0.0, 0).len(), 1);
    }

    #[test]
    fn what_is_frozen_lies_before_the_first_stretch() {
        let weights = Weights::new(&cnn(), 1, Device::Cpu).unwrap();
        let (size, head) = (weights.values.size()[0], cnn().head().unwrap());
        let first = weights.parameters.slots().iter().find(|slot| slot.layer == head).unwrap().offset;
        assert!(first > 0);
        assert_eq!(stretches(&weights, 0.0, head), [(first, size - first, 0.0)]);
        let decaying = stretches(&weights, 0.1, head);
        assert_eq!((decaying.len(), decaying[0].0, decaying[0].2), (2, first, 0.1));
        assert_eq!(stretches(&weights, 0.1, usize::MAX), []);
    }

    #[test]
    fn long_gradients_are_shortened() {
        let grads = Tensor::from_slice(&[3.0f32, 4.0]);
        clip(&grads, 10.0).unwrap();
        assert_eq!(grads, Tensor::from_slice(&[3.0f32, 4.0]));
        clip(&grads, 1.0).unwrap();
        assert!(grads.allclose(&Tensor::from_slice(&[0.6f32, 0.8]), 1e-6, 1e-6, false));
    }

    #[test]
    fn every_rule_goes_down() {
        let weights = Weights::new(&cnn(), 1, Device::Cpu).unwrap();
        for rule in study::Optimizer::ALL {
            let recipe = Recipe { optimizer: rule, weight_decay: 0.01, ..recipe() };
            let mut optimizer = Optimizer::new(&weights, &recipe, 0).unwrap();
            _ = weights.grads.shallow_clone().fill_(1.0);
            let before = weights.values.sum(Kind::Double).double_value(&[]);
            optimizer.step(&weights, 0.01).unwrap();
            assert!(weights.values.sum(Kind::Double).double_value(&[]) < before, "{rule:?}");
            assert_eq!(optimizer.steps, 1);
        }
    }
}
