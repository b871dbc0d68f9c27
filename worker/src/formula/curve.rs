//! Learning curves by arithmetic that gives the same bits on every machine: only + − × ÷.

use common::{hparams::Hparams, metrics::Metrics};

/// Validation images that it pretends to have: accuracies are whole thousandths, so ties happen as they do in life.
const VALIDATION: f64 = 1000.0;
/// Loss before any training: what guessing among ten classes costs.
const START: f64 = 2.3;

/// The state after an epoch: a link in the chain of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link(pub(super) [u8; 32]);

/// What decides a trial's learning curve.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Digest of hyperparameters and seed.
    origin: [u8; 32],
    /// The loss that training tends to.
    floor: f64,
    /// What an epoch leaves of the way to it.
    decay: f64,
    /// How far an epoch may lie off the curve.
    noise: f64,
}

impl Curve {
    /// The curve of a trial. Quality and pace are independent, so curves cross and early rungs may err.
    pub(super) fn new(hparams: &Hparams, trial_seed: u64) -> Self {
        let text = format!("rung formula 1\n{}\n{trial_seed}", hparams.key());
        let origin = *blake3::hash(text.as_bytes()).as_bytes();
        let [floor, decay, noise] = [0, 8, 16].map(|at| unit(&origin, at));
        Self { origin, floor: 0.1 + 0.9 * floor, decay: 0.4 + 0.5 * decay, noise: 0.05 * noise }
    }

    /// The state before the first epoch.
    pub(super) fn first(&self) -> Link {
        Link(self.origin)
    }

    /// The state after an epoch.
    pub(super) fn next(&self, before: &Link, epoch: u32) -> Link {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&before.0).update(&self.origin).update(&epoch.to_le_bytes());
        Link(*hasher.finalize().as_bytes())
    }

    /// What is measured in a state after an epoch.
    pub(super) fn metrics(&self, link: &Link, epoch: u32) -> Metrics {
        // A product of `epoch` factors, not a power: the C library's may differ between machines.
        let left = (0..epoch).fold(1.0, |left, _| left * self.decay);
        let smooth = self.floor + (START - self.floor) * left;
        let val_loss = smooth * (1.0 + self.noise * (unit(&link.0, 0) - 0.5));
        Metrics {
            train_loss: 0.9 * smooth,
            train_accuracy: share(0.9 * smooth),
            val_loss,
            val_accuracy: share(val_loss),
            val_macro_f1: 0.99 * share(val_loss),
        }
    }
}

/// The share of samples that a model of that loss gets right.
pub(super) fn share(loss: f64) -> f64 {
    (VALIDATION / (1.0 + loss)).floor() / VALIDATION
}

/// Class probabilities of a sample.
pub(super) fn distribution(link: &Link, sample: usize, classes: usize) -> Vec<f32> {
    let mut bytes = vec![0; classes];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&link.0).update(&(sample as u64).to_le_bytes()).finalize_xof().fill(&mut bytes);
    let total: f32 = bytes.iter().map(|&byte| f32::from(byte) + 1.0).sum();
    bytes.iter().map(|&byte| (f32::from(byte) + 1.0) / total).collect()
}

/// A number in [0, 1) from eight of a digest's bytes.
fn unit(digest: &[u8; 32], at: usize) -> f64 {
    let bits = digest[at..at + 8].iter().fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
