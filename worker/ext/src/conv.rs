//! Convolutions in few multiplications, on the CPU; autograd passes them back.
//!
//! Winograd's minimal filtering after Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), by tiles of
//! 4 × 4 outputs: a quarter of the multiplications for kernels of 3 × 3, a sixth for 5 × 5, and as many passes over
//! inputs and outputs as pay from 32 channels on. Rounding costs up to ten times what libtorch's convolution loses,
//! about 2e-6 of the outputs.

use std::ptr;

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// An instruction set that there are kernels for.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Set {
    /// The widest that this processor has.
    Best,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests compare it with the best"))]
    Avx2,
}

/// What numbers of channels are multiples of.
const LANES: i64 = 16;

/// Least product of channels in and out. With fewer, taking tiles to coordinates and back costs what is won.
const LEAST_CHANNELS: i64 = 32 * 32;

/// Greatest product of channels in and out: coordinates of kernels take up to seven times the kernels' memory.
const MOST_CHANNELS: i64 = 512 * 512;

/// Whether [`conv`] takes images of this shape, samples × channels × height × width, and kernels of this shape, channels
/// out × channels in × height × width, on this processor, and is faster than libtorch's convolution.
///
/// It is what the shapes say, whatever the number of samples, so that a model's answers do not depend on it. The processor
/// must add and multiply at once (AVX2 with FMA, or AVX-512).
pub fn suits(x: &[i64], weight: &[i64], padding: i64) -> bool {
    let (&[_, channels, height, width], &[out, input, size, other]) = (x, weight) else { return false };
    let [rows, columns] = [height, width].map(|side| side + 2 * padding - size + 1);
    // Tiles that reach far beyond the outputs compute for nothing.
    let whole = |side: i64| (side + 3) / 4 * 4;
    size == other
        && channels == input
        && [channels, out].iter().all(|count| count % LANES == 0)
        && (LEAST_CHANNELS..=MOST_CHANNELS).contains(&(channels * out))
        && (0..size).contains(&padding)
        && rows.min(columns) > 0
        && whole(rows) * whole(columns) <= 2 * rows * columns
        // SAFETY: a plain value.
        && unsafe { ffi::rung_convolves(size, Set::Best) }
}

/// Convolves images, samples × channels × height × width, with kernels, channels out × channels in × height × width, at
/// every pixel; all float on the CPU.
///
/// `padding` zeros are put on each side of an image; `bias` has an element for each channel out. Kernels are 3 × 3 or 5 × 5,
/// numbers of channels multiples of 16. What comes out lies channels last. Neither the bits of what comes out nor those
/// of a gradient depend on the number of threads, nor on which of the instruction sets there is.
pub fn conv(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, padding: i64) -> Result<Tensor, Error> {
    conv_by(Set::Best, x, weight, bias, padding)
}

fn conv_by(
    set: Set,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    padding: i64,
) -> Result<Tensor, Error> {
    let bias = bias.map_or(ptr::null(), |bias| bias.as_ptr().cast());
    let mut out = ptr::null_mut();
    // SAFETY: the tensors live through the call; null stands for no bias; C++ checks devices, types and shapes, and writes
    // `out` where it succeeds.
    check(unsafe { ffi::rung_convolve(x.into(), weight.into(), bias, padding, set, &mut out) })?;
    // SAFETY: C++ has made a tensor on the heap that is ours from here on.
    Ok(unsafe { Tensor::from_ptr(out.cast()) })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// Images that end inside a tile, more tiles than a block, channels that end inside a panel, kernels of both sizes.
    const SHAPES: [([i64; 4], i64, i64, i64); 7] = [
        ([3, 32, 28, 28], 32, 3, 1),
        ([40, 16, 9, 7], 48, 3, 1),
        ([2, 128, 7, 7], 128, 3, 1),
        ([5, 32, 14, 14], 64, 5, 2),
        ([3, 48, 6, 11], 16, 5, 2),
        ([2, 16, 12, 5], 32, 3, 0),
        ([1, 16, 1, 1], 16, 5, 4),
    ];

    /// Whether this processor has kernels; said where it has none, as on ARM.
    fn has_kernels() -> bool {
        // SAFETY: plain values.
        let has = unsafe { ffi::rung_convolves(3, Set::Best) };
        if !has {
            eprintln!("SKIPPED: this processor cannot add and multiply at once");
        }
        has
    }

    struct Parts {
        x: Tensor,
        weight: Tensor,
        bias: Option<Tensor>,
    }

    impl Parts {
        /// Channels-last images and kernels, as those of a net.
        fn new((images, out, size, _): ([i64; 4], i64, i64, i64), bias: bool) -> Self {
            tch::manual_seed(images.iter().sum());
            let last = |x: Tensor| x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
            let spread = (2.0 / (images[1] * size * size) as f64).sqrt();
            let leaf = |tensor: Tensor| tensor.detach().set_requires_grad(true);
            Self {
                x: leaf(last(Tensor::randn(images, FLOAT))),
                weight: leaf(last(Tensor::randn([out, images[1], size, size], FLOAT) * spread)),
                bias: bias.then(|| leaf(Tensor::randn([out], FLOAT))),
            }
        }

        /// What comes out, and the gradients of everything.
        fn pass(&self, conv: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor) -> Vec<Tensor> {
            let y = conv(&self.x, &self.weight, self.bias.as_ref());
            tch::manual_seed(7);
            (&y * Tensor::randn(y.size(), FLOAT)).sum(Kind::Float).backward();
            let leaves = [Some(&self.x), Some(&self.weight), self.bias.as_ref()];
            let grads = leaves.into_iter().flatten().map(Tensor::grad);
            [y.detach()].into_iter().chain(grads).collect()
        }

        fn ours(&self, set: Set, padding: i64) -> Vec<Tensor> {
            self.pass(|x, weight, bias| conv_by(set, x, weight, bias, padding).unwrap())
        }
    }

    /// How far one tensor is from another, as a part of it.
    fn distance(one: &Tensor, other: &Tensor) -> f64 {
        let norm = |x: &Tensor| x.to_kind(Kind::Double).square().sum(Kind::Double).sqrt().double_value(&[]);
        norm(&(one.to_kind(Kind::Double) - other)) / norm(other)
    }

    #[test]
    fn what_comes_out_and_what_goes_back_are_a_convolutions() {
        if !has_kernels() {
            return;
        }
        for shape in SHAPES {
            let padding = shape.3;
            for bias in [false, true] {
                let ours = Parts::new(shape, bias).ours(Set::Best, padding);
                let exact = |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>| {
                    let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
                    let bias = bias.map(double);
                    double(x).conv2d(&double(weight), bias.as_ref(), [1, 1], [padding; 2], [1, 1], 1)
                };
                let theirs = Parts::new(shape, bias).pass(exact);
                assert_eq!(ours.len(), theirs.len());
                for (part, (one, other)) in ours.iter().zip(&theirs).enumerate() {
                    assert_eq!(one.size(), other.size());
                    let distance = distance(one, other);
                    assert!(distance < 4e-5, "{shape:?}: part {part} is off by {distance:.1e}");
                }
            }
        }
    }

    #[test]
    fn bits_depend_neither_on_threads_nor_on_the_instruction_set() {
        if !has_kernels() {
            return;
        }
        let before = crate::runtime::threads();
        for shape in SHAPES {
            let run = |set, threads| {
                crate::runtime::set_threads(threads).unwrap();
                Parts::new(shape, true).ours(set, shape.3)
            };
            let expected = run(Set::Best, 1);
            assert_eq!(run(Set::Best, 3), expected, "{shape:?}");
            assert_eq!(run(Set::Avx2, 1), expected, "{shape:?}");
        }
        crate::runtime::set_threads(before).unwrap();
    }

    /// Frozen kernels and the first layer's images gather no gradient.
    #[test]
    fn only_what_gathers_a_gradient_gets_one() {
        if !has_kernels() {
            return;
        }
        for (images, kernels) in [(true, false), (false, true)] {
            let Parts { x, weight, .. } = Parts::new(SHAPES[1], false);
            let (x, weight) =
                (x.detach().set_requires_grad(images), weight.detach().set_requires_grad(kernels));
            conv(&x, &weight, None, 1).unwrap().sum(Kind::Float).backward();
            assert_eq!([x.grad().defined(), weight.grad().defined()], [images, kernels]);
        }
    }

    #[test]
    fn what_is_no_number_shows() {
        if !has_kernels() {
            return;
        }
        let Parts { x, weight, .. } = Parts::new(SHAPES[0], false);
        let x = x.detach();
        _ = x.get(1).get(2).get(3).get(4).fill_(f64::NAN);
        let found = conv(&x, &weight.detach(), None, 1).unwrap().isnan();
        let images = Vec::<bool>::try_from(found.flatten(1, -1).any_dim(1, false)).unwrap();
        assert_eq!(images, [false, true, false]);
        assert_eq!(found.get(1).any_dim(0, false).narrow(0, 2, 3).narrow(1, 3, 3).all().int64_value(&[]), 1);
    }

    #[test]
    fn shapes_say_where_it_is_faster() {
        if !has_kernels() {
            return;
        }
        let suits = |x: [i64; 4], weight: [i64; 4], padding| suits(&x, &weight, padding);
        assert!(suits([1, 32, 28, 28], [32, 32, 3, 3], 1));
        assert!(suits([250, 64, 7, 7], [64, 64, 5, 5], 2));
        assert!(!suits([1, 1, 28, 28], [32, 1, 3, 3], 1), "one channel");
        assert!(!suits([1, 16, 28, 28], [32, 16, 3, 3], 1), "few channels");
        assert!(!suits([1, 1024, 28, 28], [512, 1024, 3, 3], 1), "many channels");
        assert!(!suits([1, 40, 28, 28], [40, 40, 3, 3], 1), "no multiple of 16");
        assert!(!suits([1, 64, 28, 28], [64, 64, 7, 7], 3), "no kernels of 7");
        assert!(!suits([1, 64, 28, 28], [64, 64, 1, 1], 0), "no kernels of 1");
        assert!(!suits([1, 64, 28, 28], [64, 64, 3, 5], 1), "not square");
        assert!(!suits([1, 64, 2, 2], [64, 64, 3, 3], 1), "a tile has four times as many outputs");
        assert!(!suits([1, 64, 2, 2], [64, 64, 5, 5], 0), "smaller than a kernel");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        if !has_kernels() {
            return;
        }
        let ones = |size: [i64; 4]| Tensor::ones(size, FLOAT);
        let (x, weight) = (ones([2, 16, 8, 8]), ones([16, 16, 3, 3]));
        let fails = |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, padding| {
            conv(x, weight, bias, padding).is_err()
        };
        assert!(!fails(&x, &weight, None, 1));
        assert!(fails(&ones([2, 32, 8, 8]), &weight, None, 1), "other channels");
        assert!(fails(&x.to_kind(Kind::Double), &weight, None, 1));
        assert!(fails(&x.get(0), &weight, None, 1), "not a batch");
        assert!(fails(&x, &ones([16, 16, 7, 7]), None, 1));
        assert!(fails(&x, &ones([16, 16, 3, 5]), None, 1));
        assert!(fails(&x, &ones([8, 16, 3, 3]), None, 1), "channels that fill no vector");
        assert!(fails(&x, &ones([16, 16, 3, 6]).slice(3, 0, 6, 2), None, 1), "kernels with gaps");
        assert!(fails(&x, &weight, None, 3) && fails(&x, &weight, None, -1));
        assert!(fails(&ones([2, 16, 2, 2]), &weight, None, 0), "smaller than a kernel");
        assert!(fails(&x, &weight, Some(&Tensor::ones([8], FLOAT)), 1));
        assert!(fails(&x, &weight, Some(&Tensor::ones([16], (Kind::Double, Device::Cpu))), 1));
    }
}
