//! The stored weights that a trial begins with.

use std::{fs, path::Path};

use common::{
    checkpoint::Digest,
    model_spec::ModelSpec,
    weights::{Head, fit},
};
use tch::{Kind, Tensor};

use super::weights::Weights;
use crate::trainer::TrainError;

/// Puts the weights of an object, which must have a digest, over those that were drawn.
///
/// A head of another shape than the model's, for example for other classes, stays as it was drawn. Every other tensor
/// of the model must be there, and no more.
pub(super) fn put(
    object: &Path,
    digest: Digest,
    (spec, weights): (&ModelSpec, &Weights),
) -> Result<(), TrainError> {
    let bad = |problem: String| TrainError::InitialWeights(format!("{}: {problem}", object.display()));
    let bytes = fs::read(object)
        .map_err(|error| TrainError::Machine(format!("cannot read {}: {error}", object.display())))?;
    let unpacked = ::weights::unpack(&bytes).map_err(|error| bad(error.to_string()))?;
    if unpacked.facts.digest != digest {
        return Err(bad("these are other weights than the study's".to_owned()));
    }
    let head = fit(&unpacked.facts.tensors, spec).map_err(|misfit| bad(misfit.to_string()))?;
    let drawn = spec.head().filter(|_| head == Head::Drawn);
    for (layout, buffer) in [(&weights.parameters, &weights.values), (&weights.statistics, &weights.running)]
    {
        for (slot, mut view) in layout.slots().iter().zip(layout.views(buffer).map_err(TrainError::from)?) {
            let Some(tensor) = unpacked.tensors.get(&slot.name).filter(|_| Some(slot.layer) != drawn) else {
                continue;
            };
            let found = Tensor::f_from_data_size(&tensor.bytes, &slot.shape, Kind::Float);
            let copied = found.and_then(|found| view.f_copy_(&found));
            copied.map_err(|error| bad(error.to_string()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use common::{hparams::Scalar, model_spec::DataShape, study::ModelKind};
    use safetensors::{Dtype, tensor::TensorView};
    use tch::Device;

    use super::*;
    use crate::torch::tests::{SHAPE, resnet_hparams};

    fn resnet(classes: u32, width: i64) -> ModelSpec {
        let mut hparams = resnet_hparams();
        hparams.0.insert("width".to_owned(), Scalar::Int(width));
        ModelSpec::build(ModelKind::Resnet, &hparams, &DataShape { classes, ..SHAPE }).unwrap()
    }

    /// All tensors by name, with their elements in the order of a state dict.
    fn tensors(weights: &Weights) -> Vec<(String, Vec<i64>, Vec<f32>)> {
        let both = [(&weights.parameters, &weights.values), (&weights.statistics, &weights.running)];
        let all = both.into_iter().flat_map(|(layout, buffer)| {
            layout.slots().iter().cloned().zip(layout.views(buffer).unwrap()).collect::<Vec<_>>()
        });
        let numbers = |view: &Tensor| Vec::try_from(view.contiguous().flatten(0, -1)).unwrap();
        all.map(|(slot, view)| (slot.name, slot.shape, numbers(&view))).collect()
    }

    /// Weights that no seed draws, as a packed object.
    fn packed(folder: &Path, spec: &ModelSpec) -> (std::path::PathBuf, Digest, Weights) {
        let weights = Weights::new(spec, 77, Device::Cpu).unwrap();
        _ = weights.running.shallow_clone().f_add_scalar_(0.25).unwrap();
        let written: Vec<_> = tensors(&weights)
            .into_iter()
            .map(|(name, shape, numbers)| {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                (name, shape.iter().map(|side| *side as usize).collect::<Vec<_>>(), bytes)
            })
            .collect();
        let views = written
            .iter()
            .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let file = folder.join("model.safetensors");
        fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
        let packed = ::weights::read(&file).unwrap();
        let object = folder.join("object");
        fs::write(&object, &packed.bytes).unwrap();
        (object, packed.facts.digest, weights)
    }

    #[test]
    fn every_tensor_is_taken_over_bit_for_bit() {
        let (folder, spec) = (tempfile::tempdir().unwrap(), resnet(3, 4));
        let (object, digest, stored) = packed(folder.path(), &spec);
        let weights = Weights::new(&spec, 5, Device::Cpu).unwrap();
        assert_ne!(tensors(&weights), tensors(&stored));
        put(&object, digest, (&spec, &weights)).unwrap();
        assert_eq!(tensors(&weights), tensors(&stored));
    }

    #[test]
    fn a_head_for_other_classes_stays_as_it_was_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let (object, digest, stored) = packed(folder.path(), &resnet(3, 4));
        let spec = resnet(5, 4);
        let drawn = Weights::new(&spec, 5, Device::Cpu).unwrap();
        let weights = Weights::new(&spec, 5, Device::Cpu).unwrap();
        put(&object, digest, (&spec, &weights)).unwrap();
        let (stored, drawn) = (tensors(&stored), tensors(&drawn));
        for (at, tensor) in tensors(&weights).into_iter().enumerate() {
            let expected = if tensor.0.starts_with("dense.") { &drawn[at] } else { &stored[at] };
            assert_eq!(tensor, *expected);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let (object, digest, _) = packed(folder.path(), &resnet(3, 4));
        let message = |spec: &ModelSpec, digest| {
            let weights = Weights::new(spec, 5, Device::Cpu).unwrap();
            put(&object, digest, (spec, &weights)).unwrap_err().to_string()
        };
        let said = message(&resnet(3, 8), digest);
        assert!(said.starts_with("initial weights: "), "{said}");
        assert!(said.contains("`stem.conv.weight` is 4 × 1 × 3 × 3 and should be 8 × 1 × 3 × 3"), "{said}");
        assert!(message(&resnet(3, 4), Digest::of(b"other")).contains("other weights than the study's"));
        fs::write(&object, b"no object").unwrap();
        assert!(message(&resnet(3, 4), digest).contains("the packed weights cannot be used"));
    }
}
