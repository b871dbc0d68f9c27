//! Dropout masks that are a pure function of a seed and coordinates.

use tch::Tensor;

use crate::{Error, error::check, ffi};

/// One dropout layer's mask at one step of training.
///
/// Element `e` draws word `e % 4` of the Philox4x32-10 block with counter `[e / 4, step, epoch, tag]`; the key is
/// the seed's two halves. The element is kept when the word is at least [`threshold`] of the rate, and then scaled
/// by `1 / (1 - rate)`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Mask {
    seed: u64,
    step: u32,
    epoch: u32,
    tag: u32,
    threshold: u32,
    scale: f32,
}

impl Mask {
    /// The mask of a seed and a stream's tag that drops a share of `rate`, in [0, 1), at step and epoch 0.
    pub fn new(seed: u64, tag: u32, rate: f64) -> Self {
        Self { seed, step: 0, epoch: 0, tag, threshold: threshold(rate), scale: (1.0 / (1.0 - rate)) as f32 }
    }

    /// This layer's mask at a step of an epoch, both counted from 0.
    #[must_use]
    pub fn at(self, epoch: u32, step: u32) -> Self {
        Self { epoch, step, ..self }
    }

    /// What a kept element is multiplied with.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Fills a contiguous float tensor on the CPU: 0 where an element is dropped, [`Mask::scale`] where it is kept.
    pub fn fill(&self, out: &Tensor) -> Result<(), Error> {
        // SAFETY: the tensor lives through the call and `self` has C layout; C++ checks device, type and contiguity.
        check(unsafe { ffi::rung_mask(out.into(), self) })
    }
}

/// The least word that keeps an element: `rate` of all 2^32 words lie below it, to the nearest word.
pub fn threshold(rate: f64) -> u32 {
    (rate * 4_294_967_296.0).round().min(f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn a_mask_drops_its_rate() {
        let out = Tensor::empty([1000, 101], (Kind::Float, Device::Cpu));
        for rate in [0.0, 0.1, 0.5] {
            Mask::new(7, 0, rate).at(1, 2).fill(&out).unwrap();
            let kept = out.f_count_nonzero(None).unwrap().int64_value(&[]) as f64 / 101_000.0;
            assert!((kept - (1.0 - rate)).abs() < 0.005, "{rate}: {kept}");
        }
    }

    #[test]
    fn a_mask_refuses_what_it_cannot_fill() {
        let mask = Mask::new(7, 0, 0.1);
        assert!(mask.fill(&Tensor::empty([4], (Kind::Double, Device::Cpu))).is_err());
        assert!(mask.fill(&Tensor::empty([4, 4], (Kind::Float, Device::Cpu)).tr()).is_err());
    }
}
