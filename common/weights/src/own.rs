//! Weights in a file of one's own, with a `model.json` beside it or without.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{model_file::ModelFile, weights::Origin};

use crate::{
    LARGEST_OBJECT, Packed, Tensor, WeightsError,
    header::checked,
    packed::{self, pack},
};

/// Largest `model.json`, in bytes.
const LARGEST_JSON: u64 = 4 << 20;

/// Reads a safetensors file and packs its weights into an object.
///
/// Where a `model.json` lies beside the file, its model must be that of the weights, tensor by tensor. Batch norm's
/// counts of batches are left out: no pass uses them.
pub fn read(path: &Path) -> Result<Packed, WeightsError> {
    let unusable = |problem: String| WeightsError::Unusable { path: path.to_owned(), problem };
    if path.is_dir() {
        return Err(unusable("it is a folder: name the file in it, such as model.safetensors".to_owned()));
    }
    let bytes = contents(path, LARGEST_OBJECT)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in checked(&bytes).map_err(unusable)?.tensors() {
        if !Tensor::is_count(&name, &view) {
            tensors.insert(name.clone(), Tensor::of(&name, &view).map_err(unusable)?);
        }
    }
    let json = path.with_file_name("model.json");
    let aside = "; move that file away to add the weights without it";
    let origin = match json.is_file() {
        true => Some(origin(&json).map_err(|error| match error {
            WeightsError::Unusable { path, problem } => {
                WeightsError::Unusable { path, problem: format!("{problem}{aside}") }
            }
            error => error,
        })?),
        false => None,
    };
    if let Some(origin) = &origin {
        packed::belongs(&packed::shapes(&tensors), origin).map_err(|problem| {
            unusable(format!(
                "the weights are not of the model in `{}`: {problem}; move that file away to add them without it",
                json.display()
            ))
        })?;
    }
    pack(&tensors, origin).map_err(unusable)
}

fn origin(json: &Path) -> Result<Origin, WeightsError> {
    let unusable = |problem: String| WeightsError::Unusable { path: json.to_owned(), problem };
    let bytes = contents(json, LARGEST_JSON)?;
    let text = String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))?;
    let file = ModelFile::from_json(&text).map_err(|error| unusable(error.to_string()))?;
    let shape = file.architecture().map_err(|error| unusable(error.to_string()))?.shape;
    Ok(Origin { model: file.model, hparams: file.hparams, input: shape })
}

fn contents(path: &Path, most: u64) -> Result<Vec<u8>, WeightsError> {
    let path: PathBuf = path.to_owned();
    let size = match fs::metadata(&path) {
        Ok(facts) => facts.len(),
        Err(source) => return Err(WeightsError::Unreadable { path, source }),
    };
    if size > most {
        let problem = format!("it has {size} bytes, and {most} are the most that are read");
        return Err(WeightsError::Unusable { path, problem });
    }
    fs::read(&path).map_err(|source| WeightsError::Unreadable { path, source })
}

#[cfg(test)]
mod tests;
