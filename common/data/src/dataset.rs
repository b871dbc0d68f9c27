use common::study::{DataFacts, DataKind};

use crate::{DataError, Samples, Scale, Values};

/// A data set in memory, exactly as published or packed.
///
/// The split into training and validation samples is the study's affair.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name it was opened by.
    pub name: String,
    /// What class 0, class 1, … are called.
    pub classes: Vec<String>,
    /// The samples to learn from.
    pub train: Samples,
    /// The samples to be judged by, once; of the same kind and size.
    pub test: Samples,
    /// What a table's features are standardised by; none for images.
    pub scale: Option<Scale>,
    /// What a table's features are called, in their order; nothing for images and for tables without a head.
    pub columns: Vec<String>,
    /// A blake3 of all samples and labels in hex, the same on every machine.
    pub digest: String,
}

impl Dataset {
    /// What the data set is, without its samples.
    pub fn facts(&self) -> Result<DataFacts, DataError> {
        let large = || DataError::Object("it is too large to be described".to_owned());
        let size = |size: usize| u32::try_from(size).map_err(|_| large());
        Ok(DataFacts {
            digest: self.digest.parse().map_err(|_| DataError::Object("its digest is none".to_owned()))?,
            kind: match self.train.values {
                Values::Pixels(_) => DataKind::Images,
                Values::Features(_) => DataKind::Table,
            },
            channels: size(self.train.channels)?,
            height: size(self.train.height)?,
            width: size(self.train.width)?,
            classes: self.classes.clone(),
            train: size(self.train.count)?,
            test: size(self.test.count)?,
        })
    }
}

/// Computes the digest of a data set of grey images that is known by name.
///
/// It covers train and then test; of each count, height and width as little-endian u64, then pixels, then labels.
/// Splits and results refer to it, so it must never change.
pub(crate) fn digest(train: &Samples, test: &Samples) -> String {
    let mut hasher = blake3::Hasher::new();
    for images in [train, test] {
        for size in [images.count, images.height, images.width] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        hasher.update(images.pixels().unwrap_or_default());
        hasher.update(&images.labels);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(count: usize, height: usize, width: usize, labels: &[u8]) -> Samples {
        Samples::images([count, 1, height, width], vec![7; count * height * width], labels.to_vec())
    }

    #[test]
    fn shape_pixels_and_labels_all_count() {
        let base = images(2, 2, 3, &[0, 1]);
        let mut pixels = base.pixels().unwrap().to_vec();
        pixels[0] = 8;
        let pixel = Samples::images([2, 1, 2, 3], pixels, vec![0, 1]);
        let others = [images(2, 3, 2, &[0, 1]), images(2, 2, 3, &[1, 1]), pixel];
        for other in others {
            assert_ne!(digest(&base, &base), digest(&other, &base));
            assert_ne!(digest(&base, &base), digest(&base, &other));
        }
    }

    #[test]
    fn the_order_is_fixed() {
        let (train, test) = (images(1, 1, 1, &[1]), images(1, 1, 1, &[0]));
        let mut bytes = Vec::new();
        for label in [1, 0] {
            for size in [1_u64, 1, 1] {
                bytes.extend(size.to_le_bytes());
            }
            bytes.extend([7, label]);
        }
        assert_eq!(digest(&train, &test), blake3::hash(&bytes).to_hex().to_string());
    }
}
