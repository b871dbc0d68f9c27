//! Training images changed at random, on the CPU.

use tch::Tensor;

use crate::{Error, error::check, ffi, mask::Mask};

/// What happens to one image.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Change {
    /// From a pixel's place in the new image, counted in pixels from its middle, to its place in the old one: two rows
    /// of three numbers, for `x` and for `y`.
    pub matrix: [f32; 6],
    /// 1 where the matrix mirrors left to right or not, and moves by whole pixels, and does nothing else; or else 0.
    pub whole: u32,
    /// The rectangle that noise replaces: top, left, height and width in pixels.
    pub erased: [u32; 4],
    /// Which image of the data set it is: its noise is drawn for it.
    pub sample: u32,
}

impl Change {
    /// No change.
    pub fn none(sample: u32) -> Self {
        Self { matrix: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], whole: 1, erased: [0; 4], sample }
    }
}

/// Writes changed images to `out`: places between pixels are mixed of the four around them, and what comes in from
/// outside is 0.
///
/// Both tensors are samples × (channels · height · width) of float. Noise is even from 0 to 1: its words are those of
/// `stream` at the image's number, one an element of the rectangle, channel by channel and row by row. The bits depend
/// neither on threads nor on the instruction set.
pub fn augment(
    images: &Tensor,
    out: &Tensor,
    shape: [i64; 3],
    (changes, stream): (&[Change], &Mask),
) -> Result<(), Error> {
    let count = changes.len() as i64;
    // SAFETY: tensors, changes and stream live through the call and have C layout; C++ checks devices, types, shapes
    // and every rectangle.
    check(unsafe {
        ffi::rung_augment(images.into(), out.into(), shape.as_ptr(), changes.as_ptr(), count, stream)
    })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// Two channels of 2 × 3 pixels, numbered from 1.
    fn changed(change: Change) -> Vec<f32> {
        let options = (Kind::Float, Device::Cpu);
        let (images, out) =
            (Tensor::arange(12, options).reshape([1, 12]) + 1.0, Tensor::empty([1, 12], options));
        augment(&images, &out, [2, 2, 3], (&[change], &Mask::new(7, 0, 0.0))).unwrap();
        Vec::try_from(out.reshape([12])).unwrap()
    }

    #[test]
    fn whole_moves_and_mirrors_copy_pixels() {
        let none = Change::none(0);
        assert_eq!(changed(none), [1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.]);
        let mirror = Change { matrix: [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0], ..none };
        assert_eq!(changed(mirror), [3., 2., 1., 6., 5., 4., 9., 8., 7., 12., 11., 10.]);
        let moved = Change { matrix: [1.0, 0.0, 1.0, 0.0, 1.0, -1.0], ..none };
        assert_eq!(changed(moved), [0., 0., 0., 2., 3., 0., 0., 0., 0., 8., 9., 0.]);
        // The general way gives the same.
        for change in [none, mirror, moved] {
            assert_eq!(changed(change), changed(Change { whole: 0, ..change }));
        }
    }

    #[test]
    fn places_between_pixels_are_mixed() {
        let half = Change { matrix: [1.0, 0.0, 0.5, 0.0, 1.0, 0.0], whole: 0, ..Change::none(0) };
        assert_eq!(changed(half)[..6], [1.5, 2.5, 1.5, 4.5, 5.5, 3.0]);
    }

    #[test]
    fn noise_replaces_the_rectangle_only() {
        let erased = Change { erased: [1, 1, 1, 2], ..Change::none(3) };
        let values = changed(erased);
        assert_eq!(values[..4], [1., 2., 3., 4.]);
        assert!(values[4..6].iter().chain(&values[10..]).all(|value| (0.0..1.0).contains(value)));
        assert_eq!(values, changed(erased));
        assert_ne!(values, changed(Change { sample: 4, ..erased }));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let options = (Kind::Float, Device::Cpu);
        let (images, out) = (Tensor::zeros([1, 12], options), Tensor::zeros([1, 12], options));
        let refused = |shape, change: Change| {
            augment(&images, &out, shape, (&[change], &Mask::new(7, 0, 0.0))).is_err()
        };
        assert!(refused([1, 2, 3], Change::none(0)));
        assert!(refused([2, 2, 3], Change { erased: [1, 0, 2, 1], ..Change::none(0) }));
        assert!(refused([2, 2, 3], Change { matrix: [f32::NAN; 6], ..Change::none(0) }));
    }
}
