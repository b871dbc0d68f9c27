//! Weights as one object: a safetensors file whose bytes depend on the weights alone.

use std::collections::{BTreeMap, HashMap};

use common::{
    checkpoint::Digest,
    model_spec::ModelSpec,
    weights::{Head, Origin, Shapes, WeightsFacts, fit},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::{Tensor, WeightsError, header::checked};

/// Largest object, in bytes: as much as a coordinator stores.
pub const LARGEST_OBJECT: u64 = 1 << 30;

/// The key of the metadata. One alone: more would be written in random order.
const KEY: &str = "rung";

/// The format that is written here.
const FORMAT: u32 = 1;

/// What tensors do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    /// The format's version.
    format: u32,
    origin: Option<Origin>,
}

/// Packed weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// The object.
    pub bytes: Vec<u8>,
    /// What it holds.
    pub facts: WeightsFacts,
}

/// Weights out of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Unpacked<'a> {
    /// What they are.
    pub facts: WeightsFacts,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor<'a>>,
}

/// Packs tensors and what is known of their model; equal weights give equal bytes.
pub(crate) fn pack(tensors: &BTreeMap<String, Tensor<'_>>, origin: Option<Origin>) -> Result<Packed, String> {
    if tensors.is_empty() {
        return Err("it holds no tensor".to_owned());
    }
    let size: u64 = tensors.values().map(|tensor| tensor.bytes.len() as u64).sum();
    if size > LARGEST_OBJECT - (2 << 20) {
        return Err(format!(
            "its weights take {size} bytes, and {LARGEST_OBJECT} are the most for one model"
        ));
    }
    let metadata = Metadata { format: FORMAT, origin };
    let text = serde_json::to_string(&metadata).map_err(|error| error.to_string())?;
    let mut views = Vec::new();
    for (name, tensor) in tensors {
        let shape = tensor.shape.iter().map(|side| *side as usize).collect();
        let view = TensorView::new(Dtype::F32, shape, &tensor.bytes).map_err(|error| error.to_string())?;
        views.push((name, view));
    }
    let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)])));
    let bytes = bytes.map_err(|error| error.to_string())?;
    // What is packed here must be read elsewhere, within the same limits.
    checked(&bytes)?;
    let facts =
        WeightsFacts { digest: Digest::of(&bytes), tensors: shapes(tensors), origin: metadata.origin };
    Ok(Packed { bytes, facts })
}

/// Reads an object that must be what [`read`](crate::read()) makes: of any other bytes nothing is believed.
pub fn verified(bytes: &[u8]) -> Result<WeightsFacts, WeightsError> {
    let Unpacked { facts, tensors } = unpack(bytes)?;
    let again = pack(&tensors, facts.origin.clone()).map_err(WeightsError::Object)?;
    if again.bytes != bytes {
        return Err(WeightsError::Object("its bytes are not in the canonical form".to_owned()));
    }
    if let Some(origin) = &facts.origin {
        belongs(&facts.tensors, origin).map_err(WeightsError::Object)?;
    }
    Ok(facts)
}

/// Reads an object whose digest is known to be right.
pub fn unpack(bytes: &[u8]) -> Result<Unpacked<'_>, WeightsError> {
    let bad = WeightsError::Object;
    let file = checked(bytes).map_err(bad)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| bad(error.to_string()))?;
    let text = header.metadata().as_ref().and_then(|all| all.get(KEY));
    let text = text.ok_or_else(|| bad("it was not packed by `rung model add`".to_owned()))?;
    let metadata: Metadata = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    if metadata.format != FORMAT {
        let known = format!("it has format {}, and this release of rung knows {FORMAT}", metadata.format);
        return Err(bad(known));
    }
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(format!("`{name}` is {:?}, and packed weights are F32", view.dtype())));
        }
        tensors.insert(name.clone(), Tensor::of(&name, &view).map_err(bad)?);
    }
    let facts =
        WeightsFacts { digest: Digest::of(bytes), tensors: shapes(&tensors), origin: metadata.origin };
    Ok(Unpacked { facts, tensors })
}

/// The tensors' shapes.
pub(crate) fn shapes(tensors: &BTreeMap<String, Tensor<'_>>) -> Shapes {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
}

/// Checks that tensors are those of a model, all of them.
pub(crate) fn belongs(shapes: &Shapes, origin: &Origin) -> Result<(), String> {
    let model = ModelSpec::build(origin.model, &origin.hparams, &origin.input);
    let model = model.map_err(|error| error.to_string())?;
    match fit(shapes, &model).map_err(|misfit| misfit.to_string())? {
        Head::Taken => Ok(()),
        Head::Drawn => {
            let head = model.head().map(|at| model.layers[at].name.clone()).unwrap_or_default();
            Err(format!("`{head}` is missing or has another shape"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn tensors() -> BTreeMap<String, Tensor<'static>> {
        let bytes = |numbers: &[f32]| Cow::Owned(numbers.iter().flat_map(|n| n.to_le_bytes()).collect());
        BTreeMap::from([
            ("b.weight".to_owned(), Tensor { shape: vec![1, 2], bytes: bytes(&[0.5, -1.5]) }),
            ("a.bias".to_owned(), Tensor { shape: vec![1], bytes: bytes(&[3.0]) }),
        ])
    }

    #[test]
    fn what_is_packed_is_unpacked_and_its_bytes_are_canonical() {
        let packed = pack(&tensors(), None).unwrap();
        assert_eq!(packed, pack(&tensors(), None).unwrap());
        assert_eq!(verified(&packed.bytes).unwrap(), packed.facts);
        assert_eq!(unpack(&packed.bytes).unwrap().tensors, tensors());
        assert_eq!((packed.facts.numbers(), packed.facts.tensors["b.weight"].clone()), (3, vec![1, 2]));
        assert_eq!(packed.facts.digest, Digest::of(&packed.bytes));
    }

    #[test]
    fn the_digest_of_packed_weights_is_the_same_for_ever() {
        assert_eq!(pack(&tensors(), None).unwrap().facts.digest.short(), "172d239c");
    }

    #[test]
    fn what_was_not_packed_so_is_refused() {
        let bytes = pack(&tensors(), None).unwrap().bytes;
        let mut padded = bytes.clone();
        padded.push(0);
        // One element becomes infinite.
        let mut infinite = bytes.clone();
        let end = infinite.len();
        infinite[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        let foreign = safetensors::serialize([("a", view)], None).unwrap();
        for damaged in
            [&bytes[..bytes.len() - 1], &padded[..], &infinite[..], &foreign[..], b"", b"no file at all"]
        {
            let problem = verified(damaged).unwrap_err().to_string();
            assert!(problem.starts_with("the packed weights cannot be used: "), "{problem}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_changes_the_digest() {
        let packed = pack(&tensors(), None).unwrap();
        for at in 0..packed.bytes.len() * 8 {
            let mut flipped = packed.bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            if let Ok(facts) = verified(&flipped) {
                assert_ne!(facts.digest, packed.facts.digest, "bit {at}");
            }
        }
    }
}
