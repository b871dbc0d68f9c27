//! Scores as the log keeps them.

use common::{
    checkpoint::Digest,
    evaluation::Scored,
    metrics::{Bits, CleanMetrics, TestMetrics},
};
use serde::{Deserialize, Serialize};

/// Test metrics, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestBits {
    /// Share of test samples classified correctly.
    pub accuracy: Bits,
    /// Mean cross-entropy over the test samples.
    pub loss: Bits,
    /// Accuracy and loss on the clean samples, where some test samples validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<CleanBits>,
}

/// Metrics on the clean test samples, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanBits {
    /// Share of these samples classified correctly.
    pub accuracy: Bits,
    /// Mean cross-entropy over these samples.
    pub loss: Bits,
    /// How many there are.
    pub samples: u32,
}

impl From<TestMetrics> for TestBits {
    fn from(test: TestMetrics) -> Self {
        let clean = |clean: CleanMetrics| {
            let CleanMetrics { accuracy, loss, samples } = clean;
            CleanBits { accuracy: Bits(accuracy), loss: Bits(loss), samples }
        };
        Self { accuracy: Bits(test.accuracy), loss: Bits(test.loss), clean: test.clean.map(clean) }
    }
}

impl From<TestBits> for TestMetrics {
    fn from(test: TestBits) -> Self {
        let clean = |clean: CleanBits| {
            let CleanBits { accuracy, loss, samples } = clean;
            CleanMetrics { accuracy: accuracy.0, loss: loss.0, samples }
        };
        Self { accuracy: test.accuracy.0, loss: test.loss.0, clean: test.clean.map(clean) }
    }
}

/// A score with where its probabilities are, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoredBits {
    /// Accuracy and loss.
    #[serde(flatten)]
    pub metrics: TestBits,
    /// Class probabilities of the part's samples, where they were stored.
    pub probabilities: Option<Digest>,
}

impl From<Scored> for ScoredBits {
    fn from(scored: Scored) -> Self {
        Self { metrics: scored.metrics.into(), probabilities: scored.probabilities }
    }
}

impl From<ScoredBits> for Scored {
    fn from(scored: ScoredBits) -> Self {
        Self { metrics: scored.metrics.into(), probabilities: scored.probabilities }
    }
}
