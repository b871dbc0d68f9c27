use crate::{Samples, Values};

/// What a table's features are standardised by: mean and deviation of the training part.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// By feature, its mean.
    pub mean: Vec<f32>,
    /// By feature, its standard deviation; 1 where all values are equal.
    pub deviation: Vec<f32>,
}

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
    fn a_training_part_comes_to_mean_zero_and_deviation_one() {
        let features = vec![1.0, 5.0, 3.0, 5.0];
        let scale = Scale::of(&Samples::table([2, 2], features.clone(), vec![0, 0])).unwrap();
        assert_eq!(scale, Scale { mean: vec![2.0, 5.0], deviation: vec![1.0, 1.0] });
        assert_eq!(scale.standardised(&features), [-1.0, 0.0, 1.0, 0.0]);
        assert_eq!(Scale::of(&Samples::images([0, 1, 1, 1], vec![], vec![])), None);
    }
}
