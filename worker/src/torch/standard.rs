//! Samples less the means of their channels or features, divided by the deviations.

use common::model_spec::DataShape;
use tch::{Device, Tensor};
use worker_ext::Error;

/// What the values of a sample are standardised by, on a device.
#[derive(Debug)]
pub(super) struct Standard {
    /// One number for each of a sample's values.
    mean: Tensor,
    deviation: Tensor,
}

impl Standard {
    /// Means and deviations by channel, or by feature, for samples of a shape.
    pub(super) fn new(
        (mean, deviation): (&[f32], &[f32]),
        shape: &DataShape,
        device: Device,
    ) -> Result<Self, Error> {
        let size =
            [shape.channels, shape.height, shape.width].map(|side| side as usize).iter().product::<usize>();
        // All pixels of a channel have one number; each feature has its own.
        let area = size / mean.len().max(1);
        let spread = |numbers: &[f32]| {
            let values: Vec<f32> =
                numbers.iter().flat_map(|value| std::iter::repeat_n(*value, area)).collect();
            Tensor::f_from_slice(&values)?.f_to_device(device)
        };
        Ok(Self { mean: spread(mean)?, deviation: spread(deviation)? })
    }

    /// Standardised samples, samples × values; what comes in stays as it is.
    ///
    /// In a trace the numbers are constants, which stay where they were when a module is moved to another device.
    /// Therefore they go where the samples are; for those on the same device that is no copy.
    pub(super) fn apply(&self, pixels: &Tensor) -> Result<Tensor, Error> {
        let (mean, deviation) = (self.mean.f_type_as(pixels)?, self.deviation.f_type_as(pixels)?);
        Ok(pixels.f_sub(&mean)?.f_div_(&deviation)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_own_numbers() {
        let shape = DataShape { channels: 2, height: 1, width: 2, classes: 3 };
        let standard = Standard::new((&[0.5, 1.0], &[0.5, 2.0]), &shape, Device::Cpu).unwrap();
        let pixels = Tensor::from_slice(&[1.0f32, 0.5, 1.0, 3.0]).view([1, 4]);
        let standardised = Vec::<f32>::try_from(standard.apply(&pixels).unwrap().flatten(0, -1)).unwrap();
        assert_eq!(standardised, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(pixels.double_value(&[0, 0]), 1.0);
        let row = DataShape { channels: 1, height: 1, width: 2, classes: 3 };
        let standard = Standard::new((&[0.5, 1.0], &[0.5, 2.0]), &row, Device::Cpu).unwrap();
        let features = standard.apply(&Tensor::from_slice(&[1.0f32, 0.0]).view([1, 2])).unwrap();
        assert_eq!(Vec::<f32>::try_from(features.flatten(0, -1)).unwrap(), [1.0, -0.5]);
    }
}
