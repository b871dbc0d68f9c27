//! The seam between a lease and whatever trains it.
//!
//! A [`Trainer`] lives in a trainer process, one trial at a time. It knows hyperparameters, seeds and epochs; it knows
//! nothing of leases, brackets or the network.

pub(crate) mod protocol;

mod kinds;

pub mod process;

use std::{path::PathBuf, sync::Arc, time::Duration};

use common::{
    hparams::Hparams,
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::StudySpec,
};

/// One stretch of training: from a checkpoint, or from new weights, to the end of an epoch.
#[derive(Debug, Clone)]
pub struct TrainTask {
    /// The study that the trial belongs to.
    pub study: Arc<StudySpec>,
    /// What the trial trains with.
    pub hparams: Hparams,
    /// The trial's own seed.
    pub trial_seed: u64,
    /// The seed of its order of samples and of their augmentation.
    pub data_seed: u64,
    /// Epochs trained so far; 0 means weights that are drawn, or stored ones.
    pub from_epoch: u32,
    /// Epochs trained when the task is done, in total.
    pub to_epoch: u32,
    /// The checkpoint at `from_epoch`; none where that is 0.
    pub resume: Option<CheckpointFiles>,
    /// A checkpoint is taken at the end of an epoch when the last one is at least this old.
    pub checkpoint_every: Duration,
    /// Folder for checkpoint files; the caller deletes what it no longer needs.
    pub scratch: PathBuf,
    /// The data set's object, verified; none where the trainer finds the data set by its name.
    pub data: Option<PathBuf>,
    /// The object of the weights to begin with, verified; none where they are drawn, or come from a checkpoint.
    pub initial: Option<PathBuf>,
}

/// A checkpoint as two files on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFiles {
    /// Epochs trained when it was taken.
    pub epoch: u32,
    /// Parameters and buffers, safetensors.
    pub weights: PathBuf,
    /// What else an exact resume needs, safetensors.
    pub state: PathBuf,
}

/// What a trainer tells while it trains or evaluates.
#[derive(Debug)]
pub enum Progress {
    /// So many steps are done in this task: a sign of life, at least every few steps.
    Steps(u64),
    /// An epoch has ended.
    Epoch(CurvePoint),
    /// A checkpoint of the epoch that just ended is on disk, synced.
    Checkpoint(CheckpointFiles),
}

/// What a trainer is told in answer to its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Finish the step, save the last finished epoch and return [`Trained::HandedBack`].
    HandBack,
    /// Finish the step and return [`Trained::Abandoned`]; nothing need be saved.
    Abandon,
}

/// How a task ended, when it did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Trained {
    /// The task's last epoch was reached, or early stopping ended the trial before it.
    Finished {
        /// The last epoch trained.
        last: CurvePoint,
        /// The metrics of the epoch that is best by the study's objective, over the whole trial.
        best: Metrics,
        /// The checkpoint after the last epoch.
        checkpoint: CheckpointFiles,
        /// Early stopping has ended the trial's training for good.
        early_stopped: bool,
        /// The metrics of the checkpoint's weights, where they are those of an earlier epoch.
        restored: Option<Metrics>,
    },
    /// The objective is not finite at this epoch; training on would not mend it.
    NotFinite {
        /// The epoch, with its metrics as measured.
        last: CurvePoint,
    },
    /// Told to hand back: the newest epoch end is saved, if it is newer than `from_epoch`.
    HandedBack {
        /// The checkpoint to go on from.
        checkpoint: Option<CheckpointFiles>,
    },
    /// Told to abandon.
    Abandoned,
}

/// One evaluation of a checkpoint on the data set's test part and the study's validation part.
#[derive(Debug, Clone)]
pub struct EvaluateTask {
    /// The study that the trial belongs to.
    pub study: Arc<StudySpec>,
    /// What the trial trained with.
    pub hparams: Hparams,
    /// The checkpoint to evaluate.
    pub checkpoint: CheckpointFiles,
    /// The data set's object, verified; none where the trainer finds the data set by its name.
    pub data: Option<PathBuf>,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// On the test part.
    pub test: Predicted,
    /// On the validation part; none where the study validates on nothing.
    pub validation: Option<Predicted>,
}

/// What a model says of some samples, and what that is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Accuracy and loss.
    pub metrics: TestMetrics,
    /// Class probabilities, samples × classes, in the order of the samples' numbers in the data set.
    pub probabilities: Vec<f32>,
}

/// What a model scores on some samples, and the file of its class probabilities on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedFile {
    /// Accuracy and loss.
    pub metrics: TestMetrics,
    /// Class probabilities: little-endian f32, samples × classes.
    pub probabilities: PathBuf,
}

/// Why an attempt failed. Any failure but a machine's costs the trial one of its three attempts.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The device or the host ran out of memory.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// This machine is to blame, by its disk or by a data set that lies on it: the trial may do well on another.
    #[error("{0}")]
    Machine(String),
    /// The data set is not what the study or the model expects.
    #[error("data: {0}")]
    Data(String),
    /// The stored weights are not what the study or the model expects.
    #[error("initial weights: {0}")]
    InitialWeights(String),
    /// The checkpoint is not what the model expects.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// Anything else, from libtorch or the disk.
    #[error("{0}")]
    Other(String),
}

/// Trains and evaluates, one task at a time.
pub trait Trainer {
    /// Trains until the task's last epoch, calling `on` after steps, epochs and checkpoints and obeying its answer.
    ///
    /// The numbers that come out depend only on the study, the hyperparameters and the trial's seed: never on where
    /// the task was cut into leases.
    fn train(
        &mut self,
        task: &TrainTask,
        on: &mut dyn FnMut(Progress) -> Control,
    ) -> Result<Trained, TrainError>;

    /// Evaluates a checkpoint on the test and the validation part, calling `on` between batches and obeying its answer;
    /// none where that was to end, as there is nothing to save.
    fn evaluate(
        &mut self,
        task: &EvaluateTask,
        on: &mut dyn FnMut(Progress) -> Control,
    ) -> Result<Option<Evaluated>, TrainError>;
}
