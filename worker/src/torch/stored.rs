//! A trained model in a folder: `model.json` and `model.safetensors`, which must fit each other exactly.

use std::{fs, path::Path};

use common::{
    model_file::{Architecture, ModelFile},
    model_spec::{DataShape, ModelSpec},
    study::TrainSpec,
};
use safetensors::{Dtype, SafeTensors};
use tch::Device;
use worker_ext::runtime;

use super::{arithmetic::Arithmetic, checkpoint, standard::Standard, weights::Weights};
use crate::{
    WorkerError,
    trainer::{CheckpointFiles, TrainError},
};

/// A model with its weights on a device.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its layers.
    pub(super) spec: ModelSpec,
    /// What a sample looks like.
    pub(super) shape: DataShape,
    /// Its numbers.
    pub(super) weights: Weights,
    /// What its samples are standardised by.
    pub(super) standard: Option<Standard>,
    /// How it was trained: an evaluation averages and rounds as the study's did.
    pub(super) train: TrainSpec,
    /// Batches that each batch norm has counted, by name in the state dict; no pass uses them.
    pub(super) counts: Vec<(String, i64)>,
    _arithmetic: Arithmetic,
}

impl Stored {
    /// Reads a model; fails where a tensor is missing, of another type or shape, or not the model's.
    pub(super) fn open(folder: &Path, device: Device) -> anyhow::Result<Self> {
        let json = folder.join("model.json");
        let bad = |error: String| WorkerError::Model(format!("{}: {error}", json.display()));
        let text = fs::read_to_string(&json).map_err(|error| bad(error.to_string()))?;
        let file = ModelFile::from_json(&text).map_err(|error| bad(error.to_string()))?;
        let Architecture { spec, shape } = file.architecture().map_err(|error| bad(error.to_string()))?;

        let path = folder.join("model.safetensors");
        // Before there is memory for them: a model.json can claim any number.
        let least = spec.parameters().saturating_mul(4);
        if fs::metadata(&path).is_ok_and(|found| found.len() < least) {
            return Err(WorkerError::Model(format!(
                "the weights do not fit model.json: {} is smaller than the {least} bytes of its parameters",
                path.display()
            ))
            .into());
        }
        runtime::keep_memory();
        let arithmetic = Arithmetic::set(&file.train)?;
        let weights = Weights::zeros(&spec, device)?;
        // Evaluation reads weights alone.
        let files = CheckpointFiles { epoch: file.epochs, weights: path.clone(), state: path.clone() };
        checkpoint::read_weights(&files, &weights).map_err(|error| match error {
            TrainError::Checkpoint(reason) => {
                WorkerError::Model(format!("the weights do not fit model.json: {reason}")).into()
            }
            TrainError::Machine(reason) => WorkerError::Model(reason).into(),
            other => anyhow::Error::from(other),
        })?;
        let counts = counts(&fs::read(&path)?)?;
        let standard = file.standard().map(|scale| Standard::new(scale, &shape, device)).transpose()?;
        Ok(Self { spec, shape, weights, standard, train: file.train, counts, _arithmetic: arithmetic })
    }

    /// How many floats a sample has.
    pub(super) fn sample(&self) -> usize {
        let DataShape { channels, height, width, .. } = self.shape;
        channels as usize * height as usize * width as usize
    }
}

/// The whole numbers of a file that was read already.
fn counts(bytes: &[u8]) -> anyhow::Result<Vec<(String, i64)>> {
    let file = SafeTensors::deserialize(bytes)?;
    let whole = file.tensors().into_iter().filter(|(_, view)| view.dtype() == Dtype::I64);
    let number = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        view.data().first_chunk::<8>().map(|bytes| (name, i64::from_le_bytes(*bytes)))
    };
    Ok(whole.filter_map(number).collect())
}
