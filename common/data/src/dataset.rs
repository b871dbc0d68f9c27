/// Images and their labels, one byte per pixel, row by row, image by image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// How many images there are.
    pub count: usize,
    /// Rows per image.
    pub height: usize,
    /// Columns per image.
    pub width: usize,
    /// `count * height * width` grey values.
    pub pixels: Vec<u8>,
    /// `count` class numbers, each below the number of classes.
    pub labels: Vec<u8>,
}

/// A data set in memory, exactly as published.
///
/// The split into training and validation images is the study's affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The name it was opened by.
    pub name: String,
    /// What class 0, class 1, … are called.
    pub classes: Vec<&'static str>,
    /// The images to learn from.
    pub train: Images,
    /// The images to be judged by, once.
    pub test: Images,
    /// The blake3 of all images and labels in hex, the same on every machine.
    pub digest: String,
}

/// Computes a data set's digest.
///
/// It covers train and then test; of each count, height and width as little-endian u64, then pixels, then labels.
/// Splits and results refer to it, so it must never change.
pub(crate) fn digest(train: &Images, test: &Images) -> String {
    let mut hasher = blake3::Hasher::new();
    for images in [train, test] {
        for size in [images.count, images.height, images.width] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        hasher.update(&images.pixels);
        hasher.update(&images.labels);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(count: usize, height: usize, width: usize, labels: &[u8]) -> Images {
        Images { count, height, width, pixels: vec![7; count * height * width], labels: labels.to_vec() }
    }

    #[test]
    fn shape_pixels_and_labels_all_count() {
        let base = images(2, 2, 3, &[0, 1]);
        let mut pixel = base.clone();
        pixel.pixels[0] = 8;
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
