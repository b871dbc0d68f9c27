/// Samples and their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// How many samples there are.
    pub count: usize,
    /// Values of a pixel; 1 for tables.
    pub channels: usize,
    /// Rows of pixels; 1 for tables.
    pub height: usize,
    /// Pixels of a row; features of a table.
    pub width: usize,
    /// `count * channels * height * width` values, sample by sample, channel by channel, row by row.
    pub values: Values,
    /// `count` class numbers, each below the number of classes.
    pub labels: Vec<u8>,
}

/// What samples are made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Of images, from 0 to 255.
    Pixels(Vec<u8>),
    /// Of tables, finite.
    Features(Vec<f32>),
}

impl Samples {
    /// Images of one byte a channel and pixel.
    pub fn images([count, channels, height, width]: [usize; 4], pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        Self { count, channels, height, width, values: Values::Pixels(pixels), labels }
    }

    /// Rows of features.
    pub fn table([count, width]: [usize; 2], features: Vec<f32>, labels: Vec<u8>) -> Self {
        Self { count, channels: 1, height: 1, width, values: Values::Features(features), labels }
    }

    /// Values of one sample.
    pub fn size(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// The pixels of images; none of a table.
    pub fn pixels(&self) -> Option<&[u8]> {
        match &self.values {
            Values::Pixels(pixels) => Some(pixels),
            Values::Features(_) => None,
        }
    }

    /// The samples at some indices, in that order.
    #[must_use]
    pub fn pick(&self, indices: &[u32]) -> Self {
        fn rows<T: Copy>(values: &[T], size: usize, indices: &[u32]) -> Vec<T> {
            indices.iter().flat_map(|at| &values[*at as usize * size..][..size]).copied().collect()
        }
        let values = match &self.values {
            Values::Pixels(pixels) => Values::Pixels(rows(pixels, self.size(), indices)),
            Values::Features(features) => Values::Features(rows(features, self.size(), indices)),
        };
        let labels = rows(&self.labels, 1, indices);
        Self { count: indices.len(), values, labels, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picked_samples_keep_their_values_and_labels() {
        let images = Samples::images([3, 1, 1, 2], vec![1, 2, 3, 4, 5, 6], vec![0, 1, 2]);
        assert_eq!(images.pick(&[2, 0]), Samples::images([2, 1, 1, 2], vec![5, 6, 1, 2], vec![2, 0]));
        let table = Samples::table([2, 2], vec![0.5, 1.5, 2.5, 3.5], vec![1, 0]);
        assert_eq!(table.pick(&[1]), Samples::table([1, 2], vec![2.5, 3.5], vec![0]));
        assert_eq!(table.pixels(), None);
    }
}
