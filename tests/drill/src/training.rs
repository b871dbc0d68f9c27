//! What training does: a chain of digests, each made of the one before it.
//!
//! An epoch's weights are the digest of the last epoch's weights and of what the trial trains with. So a trial that
//! goes on from anything but its own last checkpoint ends with other weights, and its value is other, too.

use common::{
    checkpoint::{Checkpoint, Digest},
    hparams::Hparams,
    metrics::{CurvePoint, Metrics},
};

use crate::dice::Dice;

/// The two files of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) epoch: u32,
    pub(crate) weights: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

impl Files {
    /// What names them.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { epoch: self.epoch, weights: Digest::of(&self.weights), state: Digest::of(&self.state) }
    }
}

/// A trial in training.
#[derive(Debug, Clone)]
pub(crate) struct Training {
    hparams: String,
    seed: u64,
    fate: Fate,
    epoch: u32,
    weights: Vec<u8>,
    best: f64,
    best_loss: f64,
}

/// What an epoch came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Epoch {
    /// It is trained.
    Trained(CurvePoint),
    /// It is trained, and early stopping says that it was the last.
    Stopped(CurvePoint),
    /// The objective is not finite.
    NotFinite(CurvePoint),
    /// The trainer died, as it always will at this epoch.
    Died,
}

/// What a trial's own nature brings, whoever trains it.
#[derive(Debug, Clone, Copy)]
struct Fate {
    not_finite: Option<u32>,
    dies: Option<u32>,
    stops: Option<u32>,
}

impl Fate {
    fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mut at = |thousandths| {
            let (happens, epoch) = (dice.chance(thousandths), dice.between((1, 9)) as u32);
            happens.then_some(epoch)
        };
        Self { not_finite: at(60), dies: at(40), stops: at(100) }
    }
}

impl Training {
    /// A trial at its start, or at a checkpoint whose files are read. None where they make no sense.
    pub(crate) fn begin(hparams: &Hparams, seed: u64, resume: Option<&Files>) -> Option<Self> {
        let mut training = Self {
            hparams: hparams.key(),
            seed,
            fate: Fate::of(seed),
            epoch: 0,
            weights: Vec::new(),
            best: -1.0,
            best_loss: 0.0,
        };
        if let Some(files) = resume {
            let (weights, rest) = files.state.split_at_checked(36)?;
            let (best, best_loss) = rest.split_at_checked(8)?;
            if weights != files.weights || weights[32..] != files.epoch.to_le_bytes() {
                return None;
            }
            (training.epoch, training.weights) = (files.epoch, files.weights.clone());
            training.best = f64::from_le_bytes(best.try_into().ok()?);
            training.best_loss = f64::from_le_bytes(best_loss.try_into().ok()?);
        }
        Some(training)
    }

    /// Trains an epoch.
    pub(crate) fn epoch(&mut self) -> Epoch {
        self.epoch += 1;
        if self.fate.dies == Some(self.epoch) {
            return Epoch::Died;
        }
        let mut text = self.weights.clone();
        text.extend(self.hparams.as_bytes());
        text.extend(self.seed.to_le_bytes());
        text.extend(self.epoch.to_le_bytes());
        self.weights = digest_bytes(&text);
        self.weights.extend(self.epoch.to_le_bytes());
        if self.fate.not_finite == Some(self.epoch) {
            return Epoch::NotFinite(self.point(f64::NAN, f64::NAN));
        }
        // Few different values: ties are common.
        let (value, loss) = (f64::from(self.weights[0] / 16) / 16.0, f64::from(self.weights[1] / 64));
        if value > self.best {
            (self.best, self.best_loss) = (value, loss);
        }
        let point = self.point(value, loss);
        if self.fate.stops == Some(self.epoch) { Epoch::Stopped(point) } else { Epoch::Trained(point) }
    }

    /// The files after the last epoch.
    pub(crate) fn files(&self) -> Files {
        let mut state = self.weights.clone();
        state.extend(self.best.to_le_bytes());
        state.extend(self.best_loss.to_le_bytes());
        Files { epoch: self.epoch, weights: self.weights.clone(), state }
    }

    /// The metrics of the best epoch.
    pub(crate) fn best(&self) -> Metrics {
        metrics(self.best, self.best_loss)
    }

    fn point(&self, value: f64, loss: f64) -> CurvePoint {
        CurvePoint { epoch: self.epoch, metrics: metrics(value, loss), learning_rate: 0.1, seconds: 1.0 }
    }
}

/// What an evaluation of a checkpoint predicts: the test part's probabilities, then the validation part's.
pub(crate) fn predictions(files: &Files) -> [Vec<u8>; 2] {
    ["test", "validation"].map(|part| [part.as_bytes(), &files.weights].concat())
}

fn metrics(value: f64, loss: f64) -> Metrics {
    Metrics {
        train_loss: loss,
        train_accuracy: value,
        val_loss: loss,
        val_accuracy: value,
        val_macro_f1: value,
    }
}

fn digest_bytes(text: &[u8]) -> Vec<u8> {
    let digits = Digest::of(text).to_string();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_default();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_trial_goes_on_as_if_unbroken() {
        let hparams = Hparams::default();
        let mut whole = Training::begin(&hparams, 5, None).unwrap();
        let points: Vec<Epoch> = (0..4).map(|_| whole.epoch()).collect();
        let mut half = Training::begin(&hparams, 5, None).unwrap();
        half.epoch();
        half.epoch();
        let mut resumed = Training::begin(&hparams, 5, Some(&half.files())).unwrap();
        assert_eq!([resumed.epoch(), resumed.epoch()], points[2..]);
        assert_eq!(resumed.files(), whole.files());
    }

    #[test]
    fn damaged_files_make_no_sense() {
        let mut training = Training::begin(&Hparams::default(), 5, None).unwrap();
        training.epoch();
        let mut files = training.files();
        files.weights[3] ^= 1;
        assert!(Training::begin(&Hparams::default(), 5, Some(&files)).is_none());
    }
}
