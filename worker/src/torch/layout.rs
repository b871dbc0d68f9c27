//! Where a model's named tensors lie in one flat buffer.

use common::model_spec::{ModelSpec, NamedShape};
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
        Self::of(spec.parameter_tensors())
    }

    /// What batch norm keeps: running means and variances.
    pub(super) fn statistics(spec: &ModelSpec) -> Self {
        Self::of(spec.statistic_tensors())
    }

    fn of(tensors: Vec<NamedShape>) -> Self {
        let mut layout = Self::default();
        for NamedShape { name, shape, layer } in tensors {
            let shape: Vec<i64> = shape.into_iter().map(i64::from).collect();
            let count: i64 = shape.iter().product();
            layout.slots.push(Slot { name, shape, layer, offset: layout.size });
            layout.size += (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
        layout
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
