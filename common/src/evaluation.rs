//! What is found when a checkpoint is measured on the parts of a data set.

use serde::{Deserialize, Serialize};

use crate::{checkpoint::Digest, metrics::TestMetrics};

/// What a checkpoint scores on one part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Accuracy and loss.
    pub metrics: TestMetrics,
    /// Class probabilities of the part's samples, where they are stored: little-endian f32, samples × classes.
    pub probabilities: Option<Digest>,
}

/// What a trial's evaluation has found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Epochs trained when the checkpoint was taken.
    pub epoch: u32,
    /// On the test part.
    pub test: Scored,
    /// On the validation part; none where the study validates on nothing, and in logs of the first release.
    pub validation: Option<Scored>,
}
