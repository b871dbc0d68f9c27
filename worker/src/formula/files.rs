//! A formula trial's checkpoint: two small safetensors files.

use std::{fs, io, path::Path};

use common::metrics::Metrics;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::curve::Link;
use crate::{
    history::History,
    trainer::{CheckpointFiles, TrainError, TrainTask},
    whole,
};

/// What a formula trial is after an epoch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// The chain of hashes so far: its weights, as it were.
    pub(super) link: Link,
    /// Its best epoch and its patience.
    pub(super) history: History,
}

impl State {
    /// Writes the state after an epoch into the task's folder.
    pub(super) fn write(&self, task: &TrainTask, epoch: u32) -> Result<CheckpointFiles, TrainError> {
        let Metrics { train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1 } = self.history.best;
        let best = [train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1];
        let numbers = [&best[..], &[self.history.watched, self.history.waited as f64]].concat();
        let numbers: Vec<u8> = numbers.into_iter().flat_map(f64::to_le_bytes).collect();
        let path = |what| task.scratch.join(format!("epoch-{epoch}.{what}.safetensors"));
        let files = CheckpointFiles { epoch, weights: path("weights"), state: path("state") };
        write(&files.weights, "link", (Dtype::U8, 32), &self.link.0)?;
        write(&files.state, "history", (Dtype::F64, 7), &numbers)?;
        Ok(files)
    }

    /// Reads a checkpoint.
    pub(super) fn read(files: &CheckpointFiles) -> Result<Self, TrainError> {
        let link = read(&files.weights, "link")?;
        let link = link.try_into().map_err(|_| TrainError::Checkpoint("a link has 32 bytes".to_owned()))?;
        let history = read(&files.state, "history")?;
        let numbers: Vec<f64> =
            history.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let [train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1, watched, waited] = numbers[..]
        else {
            return Err(TrainError::Checkpoint("a history has 7 numbers".to_owned()));
        };
        let best = Metrics { train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1 };
        Ok(Self {
            link: Link(link),
            history: History { best, watched, waited: waited as u64, ..History::default() },
        })
    }
}

/// Writes one tensor; on disk under its name only when it is whole.
fn write(path: &Path, name: &str, (dtype, length): (Dtype, usize), bytes: &[u8]) -> Result<(), TrainError> {
    let failed = |error: &dyn std::fmt::Display| TrainError::Other(format!("{}: {error}", path.display()));
    let disk = |error: io::Error| TrainError::Machine(format!("cannot write {}: {error}", path.display()));
    let tensor = TensorView::new(dtype, vec![length], bytes).map_err(|error| failed(&error))?;
    let bytes = safetensors::serialize([(name, tensor)], None).map_err(|error| failed(&error))?;
    whole::write(path, &bytes).map_err(disk)
}

fn read(path: &Path, name: &str) -> Result<Vec<u8>, TrainError> {
    let failed =
        |error: &dyn std::fmt::Display| TrainError::Checkpoint(format!("{}: {error}", path.display()));
    let unreadable =
        |error: io::Error| TrainError::Machine(format!("cannot read {}: {error}", path.display()));
    let bytes = fs::read(path).map_err(unreadable)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| failed(&error))?;
    file.tensor(name).map(|tensor| tensor.data().to_vec()).map_err(|error| failed(&error))
}
