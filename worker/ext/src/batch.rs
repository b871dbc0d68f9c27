//! The two ends of a step on the CPU: pixels in, loss out.

use std::ops::AddAssign;

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// Copies the images at `index` into `out`, scaled from 0..=255 to 0..=1.
///
/// `images` is samples × pixels of u8, `index` holds i64 row numbers, `out` is batch × pixels of float.
pub fn gather(images: &Tensor, index: &Tensor, out: &Tensor) -> Result<(), Error> {
    // SAFETY: the tensors live through the call; C++ checks devices, types, shapes and every row number.
    check(unsafe { ffi::rung_gather(images.into(), index.into(), out.into()) })
}

/// Sums over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct BatchSums {
    /// Cross-entropy, summed over the samples.
    pub loss: f64,
    /// Samples whose most likely class is the true one; the first of equals counts.
    pub correct: u64,
}

impl AddAssign for BatchSums {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
    }
}

/// The batch's cross-entropy and its gradient by the logits, which is that of the batch's mean.
///
/// `logits` is batch × classes, `labels` holds i64 classes. `grad`, of the shape of `logits`, becomes the gradient;
/// `bias_grad`, one element a class, becomes the gradient's sum over the batch. A share `spread` of the target, in
/// [0, 1), lies evenly over all classes.
pub fn cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    (grad, bias_grad): (&Tensor, &Tensor),
    spread: f64,
) -> Result<BatchSums, Error> {
    let mut sums = BatchSums::default();
    // SAFETY: the tensors and `sums` live through the call; C++ checks devices, types, shapes and every label.
    check(unsafe {
        ffi::rung_cross_entropy(
            logits.into(),
            labels.into(),
            grad.into(),
            bias_grad.into(),
            spread,
            &mut sums,
        )
    })?;
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Reduction};

    use super::*;

    #[test]
    fn images_are_picked_and_scaled() {
        let images = Tensor::from_slice(&[0u8, 51, 255, 1, 2, 3]).reshape([3, 2]);
        let out = Tensor::empty([2, 2], (Kind::Float, Device::Cpu));
        gather(&images, &Tensor::from_slice(&[1i64, 0]), &out).unwrap();
        assert_eq!(
            Vec::<f32>::try_from(out.reshape([4])).unwrap(),
            [1.0, 1.0 / 255.0, 0.0, 51.0 * (1.0 / 255.0)]
        );
        assert!(gather(&images, &Tensor::from_slice(&[3i64, 0]), &out).is_err());
        assert!(gather(&images, &Tensor::from_slice(&[0i64]), &out).is_err());
    }

    #[test]
    fn loss_and_gradient_equal_those_of_autograd() {
        tch::manual_seed(1);
        let labels = Tensor::from_slice(&[0i64, 1, 2, 3, 1, 1]);
        let empty = |size: &[i64]| Tensor::empty(size, (Kind::Float, Device::Cpu));
        for spread in [0.0, 0.1] {
            let logits = Tensor::randn([6, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let mean = logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, spread);
            mean.backward();
            let (grad, bias_grad) = (empty(&[6, 4]), empty(&[4]));
            let sums = cross_entropy(&logits.detach(), &labels, (&grad, &bias_grad), spread).unwrap();
            assert!((sums.loss / 6.0 - mean.double_value(&[])).abs() < 1e-6);
            let accuracy = logits.accuracy_for_logits(&labels).double_value(&[]);
            assert!((sums.correct as f64 / 6.0 - accuracy).abs() < 1e-6);
            assert!(grad.allclose(&logits.grad(), 1e-5, 1e-7, false));
            let total = logits.grad().sum_dim_intlist(0, false, Kind::Float);
            assert!(bias_grad.allclose(&total, 1e-5, 1e-7, false));
            let stray = Tensor::from_slice(&[4i64; 6]);
            assert!(cross_entropy(&logits.detach(), &stray, (&grad, &bias_grad), spread).is_err());
        }
    }
}
