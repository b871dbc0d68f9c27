//! The copies of an image that an answer is the mean of.

use std::ops::ControlFlow;

use common::{model_spec::DataShape, study::TrainSpec};
use tch::Tensor;
use worker_ext::Error;

use super::net::Net;
use crate::trainer::Control;

/// Which copies of a sample an answer is the mean of: the sample itself, shifted ones, and mirror images of all these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Views {
    shape: DataShape,
    /// Whether mirror images count too.
    flip: bool,
    /// By how many pixels images are shifted up, down, left and right; 0 for not at all.
    shift: i64,
}

impl Views {
    /// Those of an epoch's validation: shifted images would take it five times as long, in every epoch.
    pub(super) fn of_an_epoch(train: &TrainSpec, shape: DataShape) -> Self {
        Self { shape, flip: train.flip_averaging, shift: 0 }
    }

    /// Those of what a trained model answers.
    pub(super) fn of_an_answer(train: &TrainSpec, shape: DataShape) -> Self {
        Self { shift: i64::from(train.shift_averaging), ..Self::of_an_epoch(train, shape) }
    }

    /// The copies of images, samples × channels × height × width, themselves first; what comes in from outside is
    /// black, as in training.
    pub(super) fn copies(&self, images: &Tensor) -> Result<Vec<Tensor>, Error> {
        let mut copies = vec![images.shallow_clone()];
        if self.shift > 0 {
            let [height, width] = [self.shape.height, self.shape.width].map(i64::from);
            let by = self.shift;
            let padded = images.f_constant_pad_nd([by; 4])?;
            for [down, right] in [[0, by], [2 * by, by], [by, 0], [by, 2 * by]] {
                copies.push(padded.f_narrow(2, down, height)?.f_narrow(3, right, width)?);
            }
        }
        if self.flip {
            let mirrored: Vec<Tensor> =
                copies.iter().map(|copy| copy.f_flip([3])).collect::<Result<_, _>>()?;
            copies.extend(mirrored);
        }
        Ok(copies)
    }

    /// The logarithms of the mean probabilities over the copies of samples, samples × classes; `between` is asked after each
    /// copy whether to break off.
    pub(super) fn log_probabilities(
        &self,
        net: &mut Net,
        pixels: &Tensor,
        between: &mut dyn FnMut() -> Option<Control>,
    ) -> Result<ControlFlow<Control, Tensor>, Error> {
        let [channels, height, width] =
            [self.shape.channels, self.shape.height, self.shape.width].map(i64::from);
        let copies = self.copies(&pixels.f_view([-1, channels, height, width])?)?;
        let mut sum: Option<Tensor> = None;
        for copy in &copies {
            let said = net.log_probabilities(&copy.f_reshape(pixels.size())?)?;
            sum = Some(match sum {
                None => said,
                Some(sum) => sum.f_logaddexp(&said)?,
            });
            if let Some(control) = between() {
                return Ok(ControlFlow::Break(control));
            }
        }
        let sum = sum.ok_or_else(|| Error::Failed("an image has no copy".to_owned()))?;
        let mean = if copies.len() == 1 { sum } else { sum.f_sub_scalar((copies.len() as f64).ln())? };
        Ok(ControlFlow::Continue(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels of each copy of one image of 2 × 3 pixels.
    fn copies(flip: bool, shift: i64) -> Vec<Vec<f32>> {
        let shape = DataShape { channels: 1, height: 2, width: 3, classes: 2 };
        let image = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([1, 1, 2, 3]);
        let copies = Views { shape, flip, shift }.copies(&image).unwrap();
        copies.iter().map(|copy| Vec::try_from(copy.flatten(0, -1)).unwrap()).collect()
    }

    #[test]
    fn images_are_shifted_each_way_and_then_mirrored() {
        let itself = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mirrored = vec![3.0, 2.0, 1.0, 6.0, 5.0, 4.0];
        assert_eq!(copies(false, 0), std::slice::from_ref(&itself));
        assert_eq!(copies(true, 0), [itself.clone(), mirrored.clone()]);
        let shifted = copies(false, 1);
        let down = vec![0.0, 0.0, 0.0, 1.0, 2.0, 3.0];
        let up = vec![4.0, 5.0, 6.0, 0.0, 0.0, 0.0];
        let right = vec![0.0, 1.0, 2.0, 0.0, 4.0, 5.0];
        let left = vec![2.0, 3.0, 0.0, 5.0, 6.0, 0.0];
        assert_eq!(shifted, [itself, down, up, right, left]);
        let both = copies(true, 1);
        assert_eq!((both.len(), &both[..5], &both[5]), (10, &shifted[..], &mirrored));
        assert_eq!(both[6], [0.0, 0.0, 0.0, 3.0, 2.0, 1.0]);
    }
}
