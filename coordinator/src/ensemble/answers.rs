//! What a model, or a vote of models, says of some samples.

use std::collections::BTreeSet;

/// A distribution over classes for each sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    classes: usize,
    /// Samples × classes.
    probabilities: Vec<f64>,
}

/// Stored probabilities that are none of the samples they should be of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There are too many or too few.
    #[error("{bytes} bytes of probabilities are stored, and {samples} samples of {classes} classes need {}", .samples * .classes * 4)]
    Size {
        /// What is stored.
        bytes: usize,
        /// Samples that were to be answered.
        samples: usize,
        /// Classes to choose from.
        classes: usize,
    },
    /// One is no probability.
    #[error("the stored probability {0} is none")]
    Value(String),
}

impl Answers {
    /// Answers from an object of an evaluation: little-endian f32, samples × classes.
    pub fn from_bytes(bytes: &[u8], samples: usize, classes: usize) -> Result<Self, Unusable> {
        let (values, rest) = bytes.as_chunks::<4>();
        if classes == 0 || !rest.is_empty() || values.len() != samples * classes {
            return Err(Unusable::Size { bytes: bytes.len(), samples, classes });
        }
        let probabilities: Vec<f64> = values.iter().map(|value| f32::from_le_bytes(*value).into()).collect();
        match probabilities.iter().find(|p| !(0.0..=1.001).contains(*p)) {
            Some(stray) => Err(Unusable::Value(stray.to_string())),
            None => Ok(Self { classes, probabilities }),
        }
    }

    /// Answers whose rows are distributions over this many classes.
    pub(crate) fn new(classes: usize, probabilities: Vec<f64>) -> Self {
        Self { classes, probabilities }
    }

    /// Classes to choose from.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The distributions, in the order of the samples.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.probabilities.chunks_exact(self.classes)
    }

    /// The answers to all samples but these.
    pub(super) fn without(&self, samples: &BTreeSet<u32>) -> Self {
        let left = (0..).zip(self.rows()).filter(|(sample, _)| !samples.contains(sample));
        Self { classes: self.classes, probabilities: left.flat_map(|(_, row)| row).copied().collect() }
    }

    /// All probabilities, samples × classes.
    pub(super) fn values(&self) -> &[f64] {
        &self.probabilities
    }
}

/// The most likely class; the lowest of equals.
pub(super) fn likeliest(row: &[f64]) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}
