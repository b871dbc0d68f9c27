//! Adam in one pass over flat buffers, and gradients that accumulate into one.

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// The constants of one Adam step.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Rates {
    /// How far a step goes.
    pub learning_rate: f64,
    /// Decay of the gradient's running mean.
    pub beta1: f64,
    /// Decay of the squared gradient's running mean.
    pub beta2: f64,
    /// Keeps the divisor above zero.
    pub epsilon: f64,
}

/// The tensors of one Adam step: of equal size, contiguous, on one device.
#[derive(Debug, Clone, Copy)]
pub struct Adam<'a> {
    /// The parameters, which the step moves.
    pub param: &'a Tensor,
    /// Their gradient.
    pub grad: &'a Tensor,
    /// The gradient's running mean.
    pub exp_avg: &'a Tensor,
    /// The squared gradient's running mean.
    pub exp_avg_sq: &'a Tensor,
}

impl Adam<'_> {
    /// Takes step number `step`, counted from 1, by the rule of PyTorch's `torch.optim.Adam`.
    ///
    /// On the CPU, tensors are float and the bits depend neither on threads nor on the instruction set.
    pub fn step(self, step: u64, rates: &Rates) -> Result<(), Error> {
        let Self { param, grad, exp_avg, exp_avg_sq } = self;
        // SAFETY: tensors and rates live through the call; C++ checks sizes and contiguity, libtorch the rest.
        check(unsafe {
            ffi::rung_adam(param.into(), grad.into(), exp_avg.into(), exp_avg_sq.into(), step, rates)
        })
    }
}

/// Lets a leaf's gradient accumulate into `grad`, for example a view of a flat buffer.
pub fn bind_grad(leaf: &Tensor, grad: &Tensor) -> Result<(), Error> {
    // SAFETY: the tensors live through the call and libtorch counts its own reference; C++ checks that they fit.
    check(unsafe { ffi::rung_bind_grad(leaf.into(), grad.into()) })
}

#[cfg(test)]
mod tests {
    use tch::{
        Device, Kind,
        nn::{self, OptimizerConfig},
    };

    use super::*;

    const RATES: Rates = Rates { learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

    fn steps(count: u64) -> Tensor {
        let options = (Kind::Float, Device::Cpu);
        let (param, exp_avg, exp_avg_sq) =
            (Tensor::ones([1003], options), Tensor::zeros([1003], options), Tensor::zeros([1003], options));
        let target = Tensor::linspace(-1.0, 1.0, 1003, options);
        for step in 1..=count {
            let grad = (&param - &target) * 2.0;
            Adam { param: &param, grad: &grad, exp_avg: &exp_avg, exp_avg_sq: &exp_avg_sq }
                .step(step, &RATES)
                .unwrap();
        }
        param
    }

    #[test]
    fn adam_follows_libtorchs_own() {
        let vs = nn::VarStore::new(Device::Cpu);
        let param = vs.root().ones("param", &[1003]);
        let mut adam = nn::Adam::default().build(&vs, RATES.learning_rate).unwrap();
        let target = Tensor::linspace(-1.0, 1.0, 1003, (Kind::Float, Device::Cpu));
        for _ in 0..50 {
            adam.backward_step(&(&param - &target).square().sum(Kind::Float));
        }
        let difference = (steps(50) - param.detach()).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn adam_gives_the_same_bits_twice() {
        assert_eq!(steps(20), steps(20));
    }

    #[test]
    fn gradients_accumulate_into_the_bound_buffer() {
        let options = (Kind::Float, Device::Cpu);
        let (flat, grads) = (Tensor::ones([6], options), Tensor::zeros([6], options));
        let leaf = flat.narrow(0, 2, 4).detach().set_requires_grad(true);
        bind_grad(&leaf, &grads.narrow(0, 2, 4)).unwrap();
        (&leaf * 3.0).sum(Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(grads).unwrap(), [0.0, 0.0, 3.0, 3.0, 3.0, 3.0]);
        assert!(bind_grad(&flat, &flat).is_err());
        assert!(bind_grad(&leaf, &flat).is_err());
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused() {
        let zeros = |size: i64| Tensor::zeros([size], (Kind::Float, Device::Cpu));
        let (param, grad, exp_avg, exp_avg_sq) = (zeros(4), zeros(4), zeros(4), zeros(4));
        let adam = Adam { param: &param, grad: &grad, exp_avg: &exp_avg, exp_avg_sq: &exp_avg_sq };
        assert!(adam.step(0, &RATES).is_err());
        assert!(Adam { grad: &zeros(3), ..adam }.step(1, &RATES).is_err());
        let double = grad.to_kind(Kind::Double);
        assert!(Adam { grad: &double, ..adam }.step(1, &RATES).is_err());
    }
}
