use crate::{Samples, Values};

/// What samples are standardised by: mean and deviation of the training part, by a table's feature or an image's
/// channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// By feature or channel, its mean.
    pub mean: Vec<f32>,
    /// By feature or channel, its standard deviation; 1 where all values are equal.
    pub deviation: Vec<f32>,
}

/// Fashion-MNIST's, of the 60,000 images; a test computes them again.
const FASHION_MEAN: f32 = 0.286_040_6;
const FASHION_DEVIATION: f32 = 0.353_024_24;

impl Scale {
    /// The scale of a table's training part; none for images.
    ///
    /// Sums are made in double precision in the order of samples, so equal data has an equal scale everywhere.
    pub fn of(train: &Samples) -> Option<Self> {
        let Values::Features(features) = &train.values else { return None };
        let count = train.count.max(1) as f64;
        let mut means = vec![0.0; train.width];
        for row in features.chunks_exact(train.width.max(1)) {
            means.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        means.iter_mut().for_each(|sum| *sum /= count);
        let mut squares = vec![0.0; train.width];
        for row in features.chunks_exact(train.width.max(1)) {
            for ((sum, value), mean) in squares.iter_mut().zip(row).zip(&means) {
                *sum += (f64::from(*value) - mean).powi(2);
            }
        }
        let deviation = |sum: &f64| match (sum / count).sqrt() as f32 {
            deviation if deviation > 0.0 && deviation.is_finite() => deviation,
            _ => 1.0,
        };
        let mean = means.iter().map(|mean| *mean as f32).collect();
        Some(Self { mean, deviation: squares.iter().map(deviation).collect() })
    }

    /// The scale of the channels of images as numbers from 0 to 1; none for tables.
    ///
    /// Sums are of whole numbers, so equal data has an equal scale everywhere.
    pub fn of_pixels(train: &Samples) -> Option<Self> {
        let (pixels, area) = (train.pixels()?, train.height * train.width);
        let mut sums = vec![(0u64, 0u64); train.channels];
        for (plane, at) in pixels.chunks_exact(area.max(1)).zip((0..train.channels).cycle()) {
            let (sum, squares) = &mut sums[at];
            for byte in plane.iter().map(|byte| u64::from(*byte)) {
                *sum += byte;
                *squares += byte * byte;
            }
        }
        let count = (train.count * area).max(1) as f64;
        let mean = |sum: u64| sum as f64 / count;
        let deviation = |sum: u64, squares: u64| {
            let variance = squares as f64 / count - mean(sum).powi(2);
            if variance > 0.0 { (variance.sqrt() / 255.0) as f32 } else { 1.0 }
        };
        Some(Self {
            mean: sums.iter().map(|(sum, _)| (mean(*sum) / 255.0) as f32).collect(),
            deviation: sums.iter().map(|(sum, squares)| deviation(*sum, *squares)).collect(),
        })
    }

    /// The mean and deviation of a data set that is known by name, without its samples.
    pub fn known(name: &str) -> Option<Self> {
        (name == "fashion-mnist")
            .then(|| Self { mean: vec![FASHION_MEAN], deviation: vec![FASHION_DEVIATION] })
    }

    /// Features, standardised.
    pub fn standardised(&self, features: &[f32]) -> Vec<f32> {
        let scale = self.mean.iter().zip(&self.deviation).cycle();
        features.iter().zip(scale).map(|(value, (mean, deviation))| (value - mean) / deviation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_scales_of_their_own() {
        let train = Samples::images([2, 2, 1, 2], vec![0, 255, 51, 51, 255, 0, 51, 51], vec![0, 1]);
        let scale = Scale::of_pixels(&train).unwrap();
        assert_eq!(scale, Scale { mean: vec![0.5, 0.2], deviation: vec![0.5, 1.0] });
        assert_eq!(Scale::of_pixels(&Samples::table([1, 1], vec![1.0], vec![0])), None);
        assert_eq!(Scale::known("mine"), None);
    }

    #[test]
    fn a_training_part_comes_to_mean_zero_and_deviation_one() {
        let features = vec![1.0, 5.0, 3.0, 5.0];
        let scale = Scale::of(&Samples::table([2, 2], features.clone(), vec![0, 0])).unwrap();
        assert_eq!(scale, Scale { mean: vec![2.0, 5.0], deviation: vec![1.0, 1.0] });
        assert_eq!(scale.standardised(&features), [-1.0, 0.0, 1.0, 0.0]);
        assert_eq!(Scale::of(&Samples::images([0, 1, 1, 1], vec![], vec![])), None);
    }
}
