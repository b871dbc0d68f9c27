//! Scores as the log keeps them.

use common::{
    checkpoint::Digest,
    evaluation::Scored,
    metrics::{Bits, TestMetrics},
};
use serde::{Deserialize, Serialize};

/// Test metrics, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestBits {
    /// Share of test samples classified correctly.
    pub accuracy: Bits,
    /// Mean cross-entropy over the test samples.
    pub loss: Bits,
}

impl From<TestMetrics> for TestBits {
    fn from(test: TestMetrics) -> Self {
        Self { accuracy: Bits(test.accuracy), loss: Bits(test.loss) }
    }
}

impl From<TestBits> for TestMetrics {
    fn from(test: TestBits) -> Self {
        Self { accuracy: test.accuracy.0, loss: test.loss.0 }
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
