//! Where a model's named tensors lie in one flat buffer.

use common::model_spec::{Layer, ModelSpec, Op};
use tch::{Device, Kind, Tensor};
use worker_ext::Error;

/// Tensors start at multiples of this many floats, 64 bytes, so that every model has them aligned alike: products
/// may add in another order where alignment differs.
const ALIGNMENT: i64 = 16;

/// One named tensor of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// The tensor's name in a PyTorch state dict.
    pub(super) name: String,
    /// Its shape in a PyTorch state dict.
    pub(super) shape: Vec<i64>,
    /// Which of the model's layers it belongs to.
    pub(super) layer: usize,
    /// Its first element in the buffer.
    pub(super) offset: i64,
}

/// The named tensors of one flat buffer, in the order of the model's layers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    slots: Vec<Slot>,
    size: i64,
}

impl Layout {
    /// What training moves: weights and biases.
    pub(super) fn parameters(spec: &ModelSpec) -> Self {
        let mut layout = Self::default();
        for (i, layer) in spec.layers.iter().enumerate() {
            let (weight, bias) = match layer.op {
                Op::Dense { inputs, outputs } => (vec![outputs, inputs], Some(outputs)),
                Op::Conv { inputs, outputs, kernel, bias, .. } => {
                    (vec![outputs, inputs, kernel, kernel], bias.then_some(outputs))
                }
                Op::BatchNorm { channels } => (vec![channels], Some(channels)),
                _ => continue,
            };
            layout.push(i, layer, "weight", &weight);
            if let Some(bias) = bias {
                layout.push(i, layer, "bias", &[bias]);
            }
        }
        layout
    }

    /// What batch norm keeps: running means and variances.
    pub(super) fn statistics(spec: &ModelSpec) -> Self {
        let mut layout = Self::default();
        for (i, layer) in spec.layers.iter().enumerate() {
            if let Op::BatchNorm { channels } = layer.op {
                layout.push(i, layer, "running_mean", &[channels]);
                layout.push(i, layer, "running_var", &[channels]);
            }
        }
        layout
    }

    fn push(&mut self, index: usize, layer: &Layer, part: &str, shape: &[u32]) {
        let shape: Vec<i64> = shape.iter().map(|side| i64::from(*side)).collect();
        let count: i64 = shape.iter().product();
        let name = format!("{}.{part}", layer.name);
        self.slots.push(Slot { name, shape, layer: index, offset: self.size });
        self.size += (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /// The named tensors.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// A buffer of zeros for all tensors.
    pub(super) fn zeros(&self, device: Device) -> Result<Tensor, Error> {
        Ok(Tensor::f_zeros([self.size], (Kind::Float, device))?)
    }

    /// The tensors of a buffer, in the order of [`Layout::slots`], as views of it.
    ///
    /// Kernels of convolutions lie channels last, which the CPU's and the GPU's convolutions are fastest with.
    pub(super) fn views(&self, buffer: &Tensor) -> Result<Vec<Tensor>, Error> {
        let view = |slot: &Slot| {
            let count = slot.shape.iter().product();
            let flat = buffer.f_narrow(0, slot.offset, count)?;
            match slot.shape[..] {
                [outputs, inputs, height, width] => {
                    Ok(flat.f_view([outputs, height, width, inputs])?.f_permute([0, 3, 1, 2])?)
                }
                _ => Ok(flat.f_view(&slot.shape[..])?),
            }
        };
        self.slots.iter().map(view).collect()
    }
}
