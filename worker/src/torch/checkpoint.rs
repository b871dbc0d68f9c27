//! A trial's state as two files.
//!
//! `weights` is the model as others see it, and loads in PyTorch with `load_state_dict(…, strict=True)`. `state` holds
//! the optimizer's running sums under PyTorch's names for them and the parameter's name, and a few numbers. Where the
//! model as others see it is another than the one that training goes on with, `state` also holds that one under
//! `trained.`, the running average under `average.`, and the best epoch's under `best.`.

use std::path::Path;

use common::metrics::Metrics;
use safetensors::Dtype;
use tch::{Kind, Tensor};
use worker_ext::Error;

use super::{
    epoch::Learner,
    file::{self, Entry},
    layout::Layout,
    numbers::Numbers,
    snapshot::Snapshot,
    weights::{Weights, bytes_of},
};
use crate::{
    history::History,
    trainer::{CheckpointFiles, TrainError},
};

/// Names of the numbers in the state file, all without shape but those of metrics.
const EPOCH: &str = "epoch";
const STEPS: &str = "step";
const BEST: &str = "best";
const WATCHED: &str = "early_stopping.best";
const WAITED: &str = "early_stopping.waited";
const KEPT: &str = "early_stopping.metrics";

/// Writes a snapshot into a folder, synced; equal states give equal bytes.
pub(super) fn write(
    folder: &Path,
    learner: &Learner,
    snapshot: &Snapshot,
) -> Result<CheckpointFiles, TrainError> {
    let Snapshot { epoch, steps, history, .. } = snapshot;
    let weights = &learner.weights;
    let files = CheckpointFiles {
        epoch: *epoch,
        weights: folder.join(format!("epoch-{epoch}.weights.safetensors")),
        state: folder.join(format!("epoch-{epoch}.state.safetensors")),
    };
    let mut entries = model("", weights, snapshot.shown())?;
    entries.extend(batch_counts(weights).map(|entry| entry.holding(steps.to_le_bytes().to_vec())));
    file::write(&files.weights, &entries)?;

    let mut entries = Vec::new();
    for (name, sum) in learner.optimizer.state_names().iter().zip(&snapshot.optimizer) {
        entries.extend(tensors(&format!("{name}."), &weights.parameters, sum)?);
    }
    if learner.keeps_more() {
        entries.extend(model("trained.", weights, &snapshot.trained)?);
    }
    for (prefix, numbers) in [("average.", &snapshot.average), ("best.", &snapshot.best)] {
        if let Some(numbers) = numbers {
            entries.extend(model(prefix, weights, numbers)?);
        }
    }
    let bytes = |metrics: &Metrics| numbers(metrics).iter().flat_map(|number| number.to_le_bytes()).collect();
    let values = [
        u64::from(*epoch).to_le_bytes().to_vec(),
        steps.to_le_bytes().to_vec(),
        bytes(&history.best),
        history.watched.to_le_bytes().to_vec(),
        history.waited.to_le_bytes().to_vec(),
        bytes(&history.kept),
    ];
    entries.extend(scalars().into_iter().zip(values).map(|(entry, bytes)| entry.holding(bytes)));
    file::write(&files.state, &entries)?;
    Ok(files)
}

/// Reads a checkpoint's model into the weights' buffers.
pub(super) fn read_weights(files: &CheckpointFiles, weights: &Weights) -> Result<(), TrainError> {
    let mut wanted = model_headers("", weights);
    wanted.extend(batch_counts(weights));
    let mut found = file::read(&files.weights, &wanted)?.into_iter();
    fill(&weights.parameters, &weights.values, &mut found)?;
    fill(&weights.statistics, &weights.running, &mut found)?;
    Ok(())
}

/// Reads what training goes on with; fails where it is of another epoch than its name says.
pub(super) fn read_state(files: &CheckpointFiles, learner: &mut Learner) -> Result<History, TrainError> {
    let weights = &learner.weights;
    let names = learner.optimizer.state_names();
    let mut wanted: Vec<Entry> =
        names.iter().flat_map(|name| headers(&format!("{name}."), &weights.parameters)).collect();
    let trained =
        Numbers { values: weights.values.shallow_clone(), running: weights.running.shallow_clone() };
    let models = [
        ("trained.", Some(&trained).filter(|_| learner.keeps_more())),
        ("average.", learner.average.as_ref().map(|average| &average.numbers)),
        ("best.", learner.best.as_ref()),
    ];
    let models: Vec<_> =
        models.into_iter().filter_map(|(prefix, numbers)| Some((prefix, numbers?))).collect();
    wanted.extend(models.iter().flat_map(|(prefix, _)| model_headers(prefix, weights)));
    wanted.extend(scalars());
    let mut found = file::read(&files.state, &wanted)?.into_iter();
    for sum in &learner.optimizer.state {
        fill(&weights.parameters, sum, &mut found)?;
    }
    for (_, numbers) in models {
        fill(&weights.parameters, &numbers.values, &mut found)?;
        fill(&weights.statistics, &numbers.running, &mut found)?;
    }
    let words: Vec<u64> = found.flat_map(|bytes| words_of(&bytes)).collect();
    let Ok(words) = <[u64; 14]>::try_from(words) else {
        return Err(TrainError::Checkpoint(format!("{} is too short", files.state.display())));
    };
    let [epoch, steps, a, b, c, d, e, watched, waited, kept @ ..] = words;
    if epoch != u64::from(files.epoch) {
        let path = files.state.display();
        return Err(TrainError::Checkpoint(format!("{path} is of epoch {epoch}, not {}", files.epoch)));
    }
    learner.optimizer.steps = steps;
    let (best, kept) = (metrics([a, b, c, d, e].map(f64::from_bits)), metrics(kept.map(f64::from_bits)));
    Ok(History { best, watched: f64::from_bits(watched), waited, kept })
}

/// A model's tensors, with elements.
fn model(prefix: &str, weights: &Weights, numbers: &Numbers) -> Result<Vec<Entry>, Error> {
    let mut entries = tensors(prefix, &weights.parameters, &numbers.values)?;
    entries.extend(tensors(prefix, &weights.statistics, &numbers.running)?);
    Ok(entries)
}

/// A model's tensors, without.
fn model_headers(prefix: &str, weights: &Weights) -> Vec<Entry> {
    let mut entries = headers(prefix, &weights.parameters);
    entries.extend(headers(prefix, &weights.statistics));
    entries
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

fn scalars() -> [Entry; 6] {
    [
        Entry::new(EPOCH, Dtype::I64, &[]),
        Entry::new(STEPS, Dtype::I64, &[]),
        Entry::new(BEST, Dtype::F64, &[5]),
        Entry::new(WATCHED, Dtype::F64, &[]),
        Entry::new(WAITED, Dtype::I64, &[]),
        Entry::new(KEPT, Dtype::F64, &[5]),
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
