//! Optimizers in one pass over flat buffers, and gradients that accumulate into one.

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// The constants of one step of PyTorch's `torch.optim.Adam`, or of its `AdamW`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Adam {
    /// How far a step goes.
    pub learning_rate: f64,
    /// Decay of the gradient's running mean.
    pub beta1: f64,
    /// Decay of the squared gradient's running mean.
    pub beta2: f64,
    /// Keeps the divisor above zero.
    pub epsilon: f64,
    /// How much of a parameter decays.
    pub weight_decay: f64,
    /// Whether parameters decay by themselves (AdamW) rather than by their gradient.
    pub decoupled: bool,
}

/// The constants of one step of PyTorch's `torch.optim.SGD` with Nesterov's momentum.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Sgd {
    /// How far a step goes.
    pub learning_rate: f64,
    /// Share of the last step that is kept.
    pub momentum: f64,
    /// How much of a parameter is added to its gradient.
    pub weight_decay: f64,
}

/// The constants of one step of PyTorch's `torch.optim.RMSprop`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct RmsProp {
    /// How far a step goes.
    pub learning_rate: f64,
    /// Decay of the squared gradient's running mean.
    pub alpha: f64,
    /// Keeps the divisor above zero.
    pub epsilon: f64,
    /// How much of a parameter is added to its gradient.
    pub weight_decay: f64,
}

/// Parameters and their gradient: of equal size, contiguous, on one device.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// The parameters, which a step moves.
    pub param: &'a Tensor,
    /// Their gradient.
    pub grad: &'a Tensor,
}

// On the CPU tensors are float, and the bits depend neither on threads nor on the instruction set.

impl Adam {
    /// Takes step number `step`, counted from 1; `exp_avg` and `exp_avg_sq` are the running means of the gradient and
    /// of its square.
    pub fn step(&self, moved: Moved<'_>, means: (&Tensor, &Tensor), step: u64) -> Result<(), Error> {
        let (exp_avg, exp_avg_sq) = means;
        // SAFETY: tensors and constants live through the call; C++ checks sizes and contiguity, libtorch the rest.
        check(unsafe {
            ffi::rung_adam(
                moved.param.into(),
                moved.grad.into(),
                exp_avg.into(),
                exp_avg_sq.into(),
                step,
                self,
            )
        })
    }
}

impl Sgd {
    /// Takes a step; `buffer` is the momentum, 0 before the first.
    pub fn step(&self, moved: Moved<'_>, buffer: &Tensor) -> Result<(), Error> {
        // SAFETY: as above.
        check(unsafe { ffi::rung_sgd(moved.param.into(), moved.grad.into(), buffer.into(), self) })
    }
}

impl RmsProp {
    /// Takes a step; `square_avg` is the running mean of the squared gradient, 0 before the first.
    pub fn step(&self, moved: Moved<'_>, square_avg: &Tensor) -> Result<(), Error> {
        // SAFETY: as above.
        check(unsafe { ffi::rung_rmsprop(moved.param.into(), moved.grad.into(), square_avg.into(), self) })
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
        Device, Kind, nn,
        nn::{OptimizerConfig, VarStore},
    };

    use super::*;

    const ADAM: Adam = Adam {
        learning_rate: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        decoupled: false,
    };
    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// Where `steps` steps towards a line lead from 1, by our rule.
    fn ours(steps: u64, mut rule: impl FnMut(Moved<'_>, &[Tensor; 2], u64)) -> Tensor {
        let (param, state) =
            (Tensor::ones([1003], OPTIONS), [(); 2].map(|()| Tensor::zeros([1003], OPTIONS)));
        let target = Tensor::linspace(-1.0, 1.0, 1003, OPTIONS);
        for step in 1..=steps {
            let grad = (&param - &target) * 2.0;
            rule(Moved { param: &param, grad: &grad }, &state, step);
        }
        param
    }

    /// Where they lead by one of libtorch's.
    fn theirs(steps: u64, config: impl OptimizerConfig) -> Tensor {
        let vs = VarStore::new(Device::Cpu);
        let param = vs.root().ones("param", &[1003]);
        let mut optimizer = config.build(&vs, 1e-2).unwrap();
        let target = Tensor::linspace(-1.0, 1.0, 1003, OPTIONS);
        for _ in 0..steps {
            optimizer.backward_step(&(&param - &target).square().sum(Kind::Float));
        }
        param.detach()
    }

    fn adam(rule: Adam) -> Tensor {
        ours(50, |moved, [mean, square], step| rule.step(moved, (mean, square), step).unwrap())
    }

    #[test]
    fn every_rule_follows_libtorchs_own() {
        let far = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        for wd in [0.0, 0.1] {
            let difference = far(
                &adam(Adam { weight_decay: wd, ..ADAM }),
                &theirs(50, nn::Adam { wd, ..nn::Adam::default() }),
            );
            assert!(difference < 1e-6, "adam {wd}: {difference}");
            let decoupled = Adam { weight_decay: wd, decoupled: true, ..ADAM };
            let difference = far(&adam(decoupled), &theirs(50, nn::AdamW { wd, ..nn::AdamW::default() }));
            assert!(difference < 1e-6, "adamw {wd}: {difference}");

            let sgd = Sgd { learning_rate: 1e-2, momentum: 0.9, weight_decay: wd };
            let difference = far(
                &ours(50, |moved, [buffer, _], _| sgd.step(moved, buffer).unwrap()),
                &theirs(50, nn::Sgd { momentum: 0.9, dampening: 0.0, wd, nesterov: true }),
            );
            assert!(difference < 1e-5, "sgd {wd}: {difference}");

            let rmsprop = RmsProp { learning_rate: 1e-2, alpha: 0.99, epsilon: 1e-8, weight_decay: wd };
            let theirs =
                theirs(50, nn::RmsProp { alpha: 0.99, eps: 1e-8, wd, momentum: 0.0, centered: false });
            let difference =
                far(&ours(50, |moved, [square, _], _| rmsprop.step(moved, square).unwrap()), &theirs);
            assert!(difference < 1e-5, "rmsprop {wd}: {difference}");
        }
    }

    #[test]
    fn adam_gives_the_same_bits_twice() {
        assert_eq!(adam(ADAM), adam(ADAM));
    }

    #[test]
    fn gradients_accumulate_into_the_bound_buffer() {
        let (flat, grads) = (Tensor::ones([6], OPTIONS), Tensor::zeros([6], OPTIONS));
        let leaf = flat.narrow(0, 2, 4).detach().set_requires_grad(true);
        bind_grad(&leaf, &grads.narrow(0, 2, 4)).unwrap();
        (&leaf * 3.0).sum(Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(grads).unwrap(), [0.0, 0.0, 3.0, 3.0, 3.0, 3.0]);
        assert!(bind_grad(&flat, &flat).is_err());
        assert!(bind_grad(&leaf, &flat).is_err());
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused() {
        let zeros = |size: i64| Tensor::zeros([size], OPTIONS);
        let (param, grad, exp_avg, exp_avg_sq) = (zeros(4), zeros(4), zeros(4), zeros(4));
        let refused = |moved, means, step| ADAM.step(moved, means, step).is_err();
        let moved = Moved { param: &param, grad: &grad };
        assert!(refused(moved, (&exp_avg, &exp_avg_sq), 0));
        let (short, double) = (zeros(3), grad.to_kind(Kind::Double));
        assert!(refused(Moved { grad: &short, ..moved }, (&exp_avg, &exp_avg_sq), 1));
        assert!(refused(Moved { grad: &double, ..moved }, (&exp_avg, &exp_avg_sq), 1));
        assert!(refused(moved, (&exp_avg, &zeros(5)), 1));
    }
}
