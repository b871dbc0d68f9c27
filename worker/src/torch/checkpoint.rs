//! A trial's state as two files.
//!
//! `weights` loads in PyTorch with `load_state_dict(…, strict=True)`. `state` holds Adam's running means under
//! `exp_avg.` and `exp_avg_sq.` and the parameter's name, and a few numbers.

use std::path::Path;

use common::metrics::Metrics;
use safetensors::Dtype;
use tch::{Kind, Tensor};
use worker_ext::Error;

use super::{
    file::{self, Entry},
    layout::Layout,
    optimizer::Optimizer,
    snapshot::Snapshot,
    weights::{Weights, bytes_of},
};
use crate::{
    history::History,
    trainer::{CheckpointFiles, TrainError},
};

/// Names of the numbers in the state file, all without shape but `BEST`.
const EPOCH: &str = "epoch";
const STEPS: &str = "step";
const BEST: &str = "best";
const WATCHED: &str = "early_stopping.best";
const WAITED: &str = "early_stopping.waited";

/// Writes a snapshot into a folder, synced; equal states give equal bytes.
pub(super) fn write(
    folder: &Path,
    weights: &Weights,
    snapshot: &Snapshot,
) -> Result<CheckpointFiles, TrainError> {
    let Snapshot { epoch, steps, history, .. } = snapshot;
    let files = CheckpointFiles {
        epoch: *epoch,
        weights: folder.join(format!("epoch-{epoch}.weights.safetensors")),
        state: folder.join(format!("epoch-{epoch}.state.safetensors")),
    };
    let mut entries = tensors("", &weights.parameters, &snapshot.values)?;
    entries.extend(tensors("", &weights.statistics, &snapshot.running)?);
    entries.extend(batch_counts(weights).map(|entry| entry.holding(steps.to_le_bytes().to_vec())));
    file::write(&files.weights, &entries)?;

    let mut entries = tensors("exp_avg.", &weights.parameters, &snapshot.exp_avg)?;
    entries.extend(tensors("exp_avg_sq.", &weights.parameters, &snapshot.exp_avg_sq)?);
    let best = numbers(&history.best).iter().flat_map(|number| number.to_le_bytes()).collect();
    let values = [
        u64::from(*epoch).to_le_bytes().to_vec(),
        steps.to_le_bytes().to_vec(),
        best,
        history.watched.to_le_bytes().to_vec(),
        history.waited.to_le_bytes().to_vec(),
    ];
    entries.extend(scalars().into_iter().zip(values).map(|(entry, bytes)| entry.holding(bytes)));
    file::write(&files.state, &entries)?;
    Ok(files)
}

/// Reads a checkpoint's weights into the model's buffers.
pub(super) fn read_weights(files: &CheckpointFiles, weights: &Weights) -> Result<(), TrainError> {
    let mut wanted = headers("", &weights.parameters);
    wanted.extend(headers("", &weights.statistics));
    wanted.extend(batch_counts(weights));
    let mut found = file::read(&files.weights, &wanted)?.into_iter();
    fill(&weights.parameters, &weights.values, &mut found)?;
    fill(&weights.statistics, &weights.running, &mut found)?;
    Ok(())
}

/// Reads a checkpoint's optimizer and history; fails where it is of another epoch than its name says.
pub(super) fn read_state(
    files: &CheckpointFiles,
    weights: &Weights,
    optimizer: &mut Optimizer,
) -> Result<History, TrainError> {
    let mut wanted = headers("exp_avg.", &weights.parameters);
    wanted.extend(headers("exp_avg_sq.", &weights.parameters));
    wanted.extend(scalars());
    let mut found = file::read(&files.state, &wanted)?.into_iter();
    fill(&weights.parameters, &optimizer.exp_avg, &mut found)?;
    fill(&weights.parameters, &optimizer.exp_avg_sq, &mut found)?;
    let words: Vec<u64> = found.flat_map(|bytes| words_of(&bytes)).collect();
    let Ok([epoch, steps, best @ .., watched, waited]) = <[u64; 9]>::try_from(words) else {
        return Err(TrainError::Checkpoint(format!("{} is too short", files.state.display())));
    };
    if epoch != u64::from(files.epoch) {
        let path = files.state.display();
        return Err(TrainError::Checkpoint(format!("{path} is of epoch {epoch}, not {}", files.epoch)));
    }
    optimizer.steps = steps;
    let best = metrics(best.map(f64::from_bits));
    Ok(History { best, watched: f64::from_bits(watched), waited })
}

fn words_of(bytes: &[u8]) -> Vec<u64> {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    bytes.chunks_exact(8).map(word).collect()
}

/// The buffer's tensors, with elements.
fn tensors(prefix: &str, layout: &Layout, buffer: &Tensor) -> Result<Vec<Entry>, Error> {
    let views = layout.views(buffer)?;
    headers(prefix, layout)
        .into_iter()
        .zip(&views)
        .map(|(entry, view)| Ok(entry.holding(bytes_of(view)?)))
        .collect()
}

fn headers(prefix: &str, layout: &Layout) -> Vec<Entry> {
    let header =
        |slot: &super::layout::Slot| Entry::new(format!("{prefix}{}", slot.name), Dtype::F32, &slot.shape);
    layout.slots().iter().map(header).collect()
}

/// Batch norm counts its batches, in PyTorch's state dict; they are the optimizer's steps.
fn batch_counts(weights: &Weights) -> impl Iterator<Item = Entry> {
    let names = weights.statistics.slots().iter().filter_map(|slot| slot.name.strip_suffix(".running_mean"));
    names.map(|layer| Entry::new(format!("{layer}.num_batches_tracked"), Dtype::I64, &[]))
}

fn scalars() -> [Entry; 5] {
    [
        Entry::new(EPOCH, Dtype::I64, &[]),
        Entry::new(STEPS, Dtype::I64, &[]),
        Entry::new(BEST, Dtype::F64, &[5]),
        Entry::new(WATCHED, Dtype::F64, &[]),
        Entry::new(WAITED, Dtype::I64, &[]),
    ]
}

fn fill(layout: &Layout, buffer: &Tensor, found: &mut impl Iterator<Item = Vec<u8>>) -> Result<(), Error> {
    for ((slot, mut view), bytes) in layout.slots().iter().zip(layout.views(buffer)?).zip(found) {
        view.f_copy_(&Tensor::f_from_data_size(&bytes, &slot.shape, Kind::Float)?)?;
    }
    Ok(())
}

fn numbers(metrics: &Metrics) -> [f64; 5] {
    let Metrics { train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1 } = *metrics;
    [train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1]
}

fn metrics(numbers: [f64; 5]) -> Metrics {
    let [train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1] = numbers;
    Metrics { train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1 }
}
