//! One tensor of a file, in single precision.

use std::borrow::Cow;

use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

/// Longest name of a tensor.
const LONGEST_NAME: usize = 256;

/// A tensor's sides and elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor<'a> {
    /// Its sides.
    pub shape: Vec<u32>,
    /// Its elements, row by row, as little-endian f32; all are finite.
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// A tensor of a file; half precision becomes single. What cannot be a weight is refused.
    pub(crate) fn of(name: &str, view: &TensorView<'a>) -> Result<Self, String> {
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{name:?} is no name of a tensor: 1 to {LONGEST_NAME} visible characters are"
            ));
        }
        let data = view.data();
        let bytes = match view.dtype() {
            Dtype::F32 => Cow::Borrowed(data),
            Dtype::F16 => Cow::Owned(wider(data, |bytes| f16::from_le_bytes(bytes).to_f32())),
            Dtype::BF16 => Cow::Owned(wider(data, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            other => return Err(format!("`{name}` is {other:?}: weights are F32, F16 or BF16")),
        };
        let shape: Option<Vec<u32>> = view.shape().iter().map(|side| u32::try_from(*side).ok()).collect();
        let shape = shape.filter(|shape| !shape.contains(&0));
        let shape = shape.ok_or_else(|| format!("`{name}` has the shape {:?}", view.shape()))?;
        let numbers = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        match numbers.enumerate().find(|(_, number)| !number.is_finite()) {
            Some((at, number)) => Err(format!("`{name}` holds {number} at element {at}")),
            None => Ok(Self { shape, bytes }),
        }
    }

    /// Whether a tensor counts batches: batch norm keeps it, and no pass uses it.
    pub(crate) fn is_count(name: &str, view: &TensorView<'_>) -> bool {
        name.ends_with(".num_batches_tracked") && view.dtype() == Dtype::I64 && view.shape().is_empty()
    }
}

fn wider(data: &[u8], number: impl Fn([u8; 2]) -> f32) -> Vec<u8> {
    data.as_chunks::<2>().0.iter().flat_map(|bytes| number(*bytes).to_le_bytes()).collect()
}
