//! A model's parameters and statistics, and their first values.

use common::model_spec::ModelSpec;
use tch::{Device, Kind, Tensor};
use worker_ext::Error;

use super::{
    initial,
    layout::{Layout, Slot},
};

/// A model's numbers: parameters with their gradients, and batch-norm statistics, each in one flat buffer.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) parameters: Layout,
    pub(super) statistics: Layout,
    pub(super) values: Tensor,
    pub(super) grads: Tensor,
    pub(super) running: Tensor,
}

impl Weights {
    /// New weights of a trial.
    pub(super) fn new(spec: &ModelSpec, trial_seed: u64, device: Device) -> Result<Self, Error> {
        let weights = Self::zeros(spec, device)?;
        for (slot, mut view) in
            weights.parameters.slots().iter().zip(weights.parameters.views(&weights.values)?)
        {
            if slot.shape.len() > 1 {
                let initial = initial::draw(spec.initializer, slot, trial_seed);
                view.f_copy_(&Tensor::f_from_slice(&initial)?.f_view(&slot.shape[..])?)?;
            } else if is_scale(slot) {
                _ = view.f_fill_(1.0)?;
            }
        }
        for (slot, mut view) in
            weights.statistics.slots().iter().zip(weights.statistics.views(&weights.running)?)
        {
            if slot.name.ends_with(".running_var") {
                _ = view.f_fill_(1.0)?;
            }
        }
        Ok(weights)
    }

    /// Buffers for a checkpoint's weights.
    pub(super) fn zeros(spec: &ModelSpec, device: Device) -> Result<Self, Error> {
        let (parameters, statistics) = (Layout::parameters(spec), Layout::statistics(spec));
        let (values, grads) = (parameters.zeros(device)?, parameters.zeros(device)?);
        let running = statistics.zeros(device)?;
        Ok(Self { parameters, statistics, values, grads, running })
    }

    /// The device on which the buffers lie.
    pub(super) fn device(&self) -> Device {
        self.values.device()
    }
}

/// Whether a one-dimensional parameter is batch norm's scale: biases are called otherwise.
fn is_scale(slot: &Slot) -> bool {
    slot.name.ends_with(".weight")
}

/// Copies a tensor's elements to the host, as the bytes of a contiguous tensor.
pub(super) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>, Error> {
    let host = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let size = match host.kind() {
        Kind::Float => 4,
        kind => return Err(Error::Failed(format!("tensors of kind {kind:?} are not written"))),
    };
    let mut bytes = vec![0; host.numel() * size];
    host.f_copy_data_u8(&mut bytes, host.numel())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::tests::{cnn, mlp};

    #[test]
    fn first_weights_are_even_within_their_limit_and_fixed() {
        let weights = Weights::new(&mlp(&[64, 32], 0.0), 5, Device::Cpu).unwrap();
        let views = weights.parameters.views(&weights.values).unwrap();
        let limit = (6.0f64 / (64.0 + 36.0)).sqrt();
        let first = &views[0];
        assert_eq!(weights.parameters.slots()[0].name, "dense_0.weight");
        assert!(first.abs().max().double_value(&[]) <= limit);
        assert!(first.std(true).double_value(&[]) - limit / 3f64.sqrt() < 0.01 * limit);
        assert!(first.mean(Kind::Double).double_value(&[]).abs() < 0.05 * limit);
        assert_eq!(views[1], Tensor::zeros([64], (Kind::Float, Device::Cpu)));
        assert_ne!(views[0], Weights::new(&mlp(&[64, 32], 0.0), 6, Device::Cpu).unwrap().values);
    }

    #[test]
    fn batch_norm_begins_as_the_identity() {
        let weights = Weights::new(&cnn(), 5, Device::Cpu).unwrap();
        let named = |wanted: &str| {
            let at = weights.parameters.slots().iter().position(|slot| slot.name == wanted).unwrap();
            weights.parameters.views(&weights.values).unwrap().remove(at)
        };
        assert_eq!(named("block_1.norm_0.weight").sum(Kind::Double).double_value(&[]), 4.0);
        assert_eq!(named("block_1.norm_0.bias").sum(Kind::Double).double_value(&[]), 0.0);
        assert_eq!(weights.running.sum(Kind::Double).double_value(&[]), 8.0);
    }
}
