//! What stands between the matrix products of a dense layer, on the CPU, one pass each.

use std::ptr;

use tch::Tensor;

use crate::{Error, error::check, ffi, mask::Mask};

/// Adds a bias, applies ReLU and drops, all in place.
///
/// `sum` is rows × width, `bias` has `width` elements, both float on the CPU. The mask's element is the position in
/// `sum`, row by row.
pub fn activate(sum: &Tensor, bias: &Tensor, mask: Option<&Mask>) -> Result<(), Error> {
    let mask = mask.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: tensors and mask live through the call; null stands for no mask; C++ checks devices, types and shapes.
    check(unsafe { ffi::rung_activate(sum.into(), bias.into(), mask) })
}

/// Takes a gradient back through [`activate`], in place, and writes the bias's gradient.
///
/// `activation` is what `activate` left, of the same shape as `grad`; `scale` is the mask's, or 1 without one.
pub fn activate_backward(
    grad: &Tensor,
    activation: &Tensor,
    scale: f32,
    bias_grad: &Tensor,
) -> Result<(), Error> {
    // SAFETY: the tensors live through the call; C++ checks devices, types and shapes.
    check(unsafe { ffi::rung_activate_backward(grad.into(), activation.into(), scale, bias_grad.into()) })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// Widths around the kernels' group sizes, and rows that end inside a group.
    #[test]
    fn activation_and_its_gradient_equal_the_plain_formulas() {
        tch::manual_seed(1);
        for (rows, width) in [(128, 512), (3, 33), (5, 1), (70, 96), (2, 5000)] {
            let options = (Kind::Float, Device::Cpu);
            let (sum, bias) = (Tensor::randn([rows, width], options), Tensor::randn([width], options));
            let factor = Tensor::empty([rows, width], options);
            for mask in [None, Some(Mask::new(3, 7, 0.3).at(4, 5))] {
                match mask {
                    Some(mask) => mask.fill(&factor).unwrap(),
                    None => _ = factor.shallow_clone().fill_(1.0),
                }
                let expected = (&sum + &bias).relu() * &factor;
                let activation = sum.copy();
                activate(&activation, &bias, mask.as_ref()).unwrap();
                assert_eq!(activation, expected, "{rows} x {width}");

                let grad = Tensor::randn([rows, width], options);
                let expected = &grad * expected.gt(0.0) * &factor;
                let bias_grad = Tensor::empty([width], options);
                activate_backward(&grad, &activation, mask.map_or(1.0, |m| m.scale()), &bias_grad).unwrap();
                assert_eq!(grad, expected, "{rows} x {width}");
                let sums = expected.sum_dim_intlist(0, false, Kind::Float);
                assert!(bias_grad.allclose(&sums, 1e-4, 1e-4, false), "{rows} x {width}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let options = (Kind::Float, Device::Cpu);
        let (sum, bias) = (Tensor::zeros([4, 8], options), Tensor::zeros([7], options));
        assert!(activate(&sum, &bias, None).is_err());
        assert!(activate_backward(&sum, &Tensor::zeros([4, 7], options), 1.0, &bias).is_err());
    }
}
