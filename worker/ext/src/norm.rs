//! Batch norm with what follows it, on the CPU, in few passes; autograd passes it back.

use std::ptr;

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// What [`norm`] does.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// A new batch's share in the running statistics.
    pub momentum: f64,
    /// What keeps the divisor above zero.
    pub epsilon: f64,
    /// Whether the batch's own statistics are used, and become part of the running ones, which are used otherwise.
    pub training: bool,
    /// Whether what is below zero becomes zero.
    pub relu: bool,
    /// Whether the greatest value of each 2 × 2 pixels is taken then; what is incomplete at the edge is dropped.
    pub pool: bool,
}

/// Normalises each channel of `x`, samples × channels × height × width or samples × channels, float on the CPU.
///
/// `weight`, `bias` and the running `mean` and `variance` have an element for each channel. What comes out lies
/// channels last. The bits do not depend on the number of threads. In training there must be more than one value in a
/// channel; a pool needs an image of at least 2 × 2.
pub fn norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    (mean, variance): (&Tensor, &Tensor),
    norm: Norm,
) -> Result<Tensor, Error> {
    let mut out = ptr::null_mut();
    // SAFETY: the tensors and `norm` live through the call; C++ checks devices, types and shapes, and writes `out` where
    // it succeeds.
    check(unsafe {
        ffi::rung_norm(x.into(), weight.into(), bias.into(), mean.into(), variance.into(), &norm, &mut out)
    })?;
    // SAFETY: C++ has made a tensor on the heap that is ours from here on.
    Ok(unsafe { Tensor::from_ptr(out.cast()) })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// Leaves that gather gradients, and running statistics.
    struct Parts {
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
    }

    impl Parts {
        fn new(shape: &[i64]) -> Self {
            tch::manual_seed(shape.iter().sum());
            let channels = [shape[1]];
            // Far from zero, as what a layer with a large bias gives.
            let mut x = Tensor::randn(shape, FLOAT) * 2.0 + 30.0;
            if shape.len() == 4 {
                x = x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
            }
            let leaf = |tensor: Tensor| tensor.detach().set_requires_grad(true);
            Self {
                x: leaf(x),
                weight: leaf(Tensor::rand(channels, FLOAT) + 0.5),
                bias: leaf(Tensor::randn(channels, FLOAT)),
                mean: Tensor::randn(channels, FLOAT),
                variance: Tensor::rand(channels, FLOAT) + 0.5,
            }
        }

        fn copy(&self) -> Self {
            let leaf = |tensor: &Tensor| tensor.detach().copy().set_requires_grad(true);
            let (mean, variance) = (self.mean.copy(), self.variance.copy());
            Self { x: leaf(&self.x), weight: leaf(&self.weight), bias: leaf(&self.bias), mean, variance }
        }

        fn fused(&self, how: Norm) -> Tensor {
            norm(&self.x, (&self.weight, &self.bias), (&self.mean, &self.variance), how).unwrap()
        }

        fn plain(&self, how: Norm) -> Tensor {
            let Norm { momentum, epsilon, training, relu, pool } = how;
            let (mean, variance) = (Some(&self.mean), Some(&self.variance));
            let (weight, bias) = (Some(&self.weight), Some(&self.bias));
            let y = self.x.batch_norm(weight, bias, mean, variance, training, momentum, epsilon, false);
            let y = if relu { y.relu() } else { y };
            if pool { y.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false) } else { y }
        }

        /// Everything that training leaves.
        fn left(&self) -> [Tensor; 5] {
            let [x, weight, bias] = [&self.x, &self.weight, &self.bias].map(|leaf| leaf.grad().copy());
            [x, weight, bias, self.mean.copy(), self.variance.copy()]
        }
    }

    const TRAINING: Norm = Norm { momentum: 0.1, epsilon: 1e-5, training: true, relu: true, pool: false };

    /// Rows that end inside a chunk, channels around the kernels' group sizes, odd sides.
    const SHAPES: [&[i64]; 6] =
        [&[5, 3, 7, 9], &[128, 32, 8, 8], &[2, 33, 2, 3], &[3, 1, 4, 4], &[300, 17], &[2, 5]];

    fn variants(shape: &[i64]) -> Vec<Norm> {
        let norms = [(false, false), (true, false), (false, true), (true, true)];
        let images = shape.len() == 4;
        norms
            .into_iter()
            .filter(|(_, pool)| images || !pool)
            .map(|(relu, pool)| Norm { relu, pool, ..TRAINING })
            .collect()
    }

    #[test]
    fn what_comes_out_and_what_goes_back_are_those_of_the_single_operations() {
        for shape in SHAPES {
            let by_running = |how| Norm { training: false, ..how };
            for how in variants(shape).into_iter().flat_map(|how| [how, by_running(how)]) {
                let (ours, theirs) = (Parts::new(shape), Parts::new(shape).copy());
                let (y, expected) = (ours.fused(how), theirs.plain(how));
                assert!(y.allclose(&expected, 1e-4, 1e-4, false), "{shape:?} {how:?}");
                // Right at zero, rounding decides whether anything goes back.
                let grad = Tensor::randn(y.size(), FLOAT) * expected.abs().gt(1e-3);
                (&y * &grad).sum(Kind::Float).backward();
                (&expected * &grad).sum(Kind::Float).backward();
                for (part, (one, other)) in ours.left().iter().zip(&theirs.left()).enumerate() {
                    assert!(one.allclose(other, 1e-3, 1e-3, false), "{shape:?} {how:?}: part {part}");
                }
            }
        }
    }

    #[test]
    fn running_statistics_are_used_where_nothing_is_trained() {
        let _guard = tch::no_grad_guard();
        for shape in SHAPES {
            for how in variants(shape).into_iter().map(|how| Norm { training: false, ..how }) {
                let parts = Parts::new(shape);
                let before = parts.mean.copy();
                assert!(parts.fused(how).allclose(&parts.plain(how), 1e-4, 1e-4, false), "{shape:?} {how:?}");
                assert_eq!(parts.mean, before);
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        let before = crate::runtime::threads();
        let run = |threads| {
            crate::runtime::set_threads(threads).unwrap();
            let parts = Parts::new(&[64, 24, 15, 15]);
            parts.fused(Norm { pool: true, ..TRAINING }).square().sum(Kind::Float).backward();
            parts.left()
        };
        let (one, three) = (run(1), run(3));
        crate::runtime::set_threads(before).unwrap();
        assert_eq!(one, three);
    }

    #[test]
    fn what_is_no_number_shows() {
        for how in variants(&[2, 3, 4, 4]) {
            let parts = Parts::new(&[2, 3, 4, 4]);
            let _guard = tch::no_grad_guard();
            _ = parts.x.get(0).get(1).get(2).get(3).fill_(f64::NAN);
            let found =
                parts.fused(Norm { training: false, ..how }).isnan().sum(Kind::Int64).int64_value(&[]);
            assert_eq!(found, 1, "{how:?}");
            let found = parts.fused(how).isnan().sum(Kind::Int64).int64_value(&[]);
            assert_eq!(found, if how.pool { 8 } else { 32 }, "the whole channel: {how:?}");
        }
    }

    #[test]
    fn what_cannot_be_normalised_is_refused() {
        let ones = |size: &[i64]| Tensor::ones(size, FLOAT);
        let (three, how) = (ones(&[3]), TRAINING);
        let fails = |x: &Tensor, channel: &Tensor, how| {
            norm(x, (channel, channel), (&channel.copy(), &channel.copy()), how).is_err()
        };
        assert!(!fails(&ones(&[2, 3]), &three, how));
        assert!(fails(&ones(&[1, 3]), &three, how), "one value has no variance");
        assert!(fails(&ones(&[2, 4]), &three, how));
        assert!(fails(&ones(&[2, 3]).to_kind(Kind::Double), &three, how));
        assert!(fails(&ones(&[2, 3]), &three, Norm { pool: true, ..how }));
        assert!(fails(&ones(&[2, 3, 1, 4]), &three, Norm { pool: true, ..how }));
    }
}
