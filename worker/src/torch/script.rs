//! A trained model as TorchScript.

use std::path::Path;

use common::study::Precision;
use tch::{Device, Kind, Tensor};
use worker_ext::trace::{Named, trace};

use super::{
    graph::GraphNet,
    net::{EVALUATION_ROWS, Plan},
    stored::Stored,
};

/// Samples of the example that is traced: more than one, as some sizes are special at one.
const EXAMPLE: i64 = 2;

/// Writes the model of a folder as a TorchScript module in eval mode.
///
/// It takes floats, samples × channels × height × width, scaled as `model.json` says, and answers logits, samples ×
/// classes, for any number of samples. Its parameters and buffers have their names in the state dict.
pub fn torchscript(model: &Path, out: &Path) -> anyhow::Result<()> {
    let stored = Stored::open(model, Device::Cpu)?;
    let _guard = tch::no_grad_guard();
    let plan = Plan {
        rows: EVALUATION_ROWS,
        trial_seed: 0,
        smoothing: 0.0,
        precision: Precision::Float32,
        frozen: 0,
    };
    let mut net = GraphNet::new(&stored.spec, &stored.shape, &stored.weights, plan)?;
    for tensor in net.tensors_mut().iter_mut().flatten() {
        // Out of the shared buffer, into memory of its own, contiguous as PyTorch's own tensors are.
        let mut own = Tensor::f_empty(tensor.size(), (Kind::Float, Device::Cpu))?;
        own.f_copy_(&tensor.f_detach()?)?;
        tensor.set_data(&own);
    }
    let counts: Vec<Tensor> = stored.counts.iter().map(|(_, count)| Tensor::from(*count)).collect();
    let [parameters, statistics] = net.tensors();
    let slots =
        [(&stored.weights.parameters, parameters, false), (&stored.weights.statistics, statistics, true)];
    let mut named: Vec<Named<'_>> = Vec::new();
    for (layout, tensors, buffer) in slots {
        let names = layout.slots().iter().map(|slot| slot.name.clone());
        named.extend(names.zip(tensors).map(|(name, tensor)| Named { name, tensor, buffer }));
    }
    let names = stored.counts.iter().map(|(name, _)| name.clone());
    named.extend(names.zip(&counts).map(|(name, tensor)| Named { name, tensor, buffer: true }));

    let [channels, height, width] =
        [stored.shape.channels, stored.shape.height, stored.shape.width].map(i64::from);
    let example = Tensor::f_rand([EXAMPLE, channels, height, width], (Kind::Float, Device::Cpu))?;
    Ok(trace(out, &named, &example, &mut |pixels| match &stored.standard {
        None => net.logits(pixels),
        Some(standard) => net.logits(&standard.apply(&pixels.f_flatten(1, -1)?)?),
    })?)
}
