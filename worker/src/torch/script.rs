//! A trained model, or an ensemble's vote, as TorchScript.

mod vote;

use std::{fs, path::Path};

use anyhow::Context as _;
use common::{ballot::Ballot, study::Precision};
use tch::{Device, Kind, Tensor};
use worker_ext::{
    Error,
    trace::{Named, trace},
};

use self::vote::Voting;
use super::{
    graph::GraphNet,
    net::{EVALUATION_ROWS, Plan},
    stored::Stored,
};
use crate::WorkerError;

/// Samples of the example that is traced: more than one, as some sizes are special at one.
const EXAMPLE: i64 = 2;

/// Writes the model of a folder as a TorchScript module in eval mode.
///
/// It takes floats, samples × channels × height × width, scaled as `model.json` says, and answers logits, samples ×
/// classes, for any number of samples. Its parameters and buffers have their names in the state dict.
///
/// Of an ensemble's folder the module is the vote: it answers the log-probabilities of its members together, at the
/// vote's temperature, of which a softmax makes the probabilities again. The names of trial N's tensors begin with
/// `member_N`.
pub fn torchscript(folder: &Path, out: &Path) -> anyhow::Result<()> {
    let _guard = tch::no_grad_guard();
    let Some(ballot) = ballot(folder)? else {
        let model = Traced::open(folder)?;
        return Ok(trace(out, &model.named(""), &model.example()?, &mut |pixels| model.logits(pixels))?);
    };
    let voting = Voting::open(folder, &ballot)?;
    let named: Vec<Named<'_>> = voting.members().flat_map(|(prefix, model)| model.named(&prefix)).collect();
    Ok(trace(out, &named, &voting.example()?, &mut |pixels| voting.log_probabilities(pixels))?)
}

/// Who votes in a folder; none where it is a single model's.
fn ballot(folder: &Path) -> anyhow::Result<Option<Ballot>> {
    let path = folder.join(Ballot::FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let bad =
        |error: common::ballot::InvalidBallot| WorkerError::Model(format!("{}: {error}", path.display()));
    Ok(Some(Ballot::from_json(&text).map_err(bad)?))
}

/// A model whose passes can be traced.
#[derive(Debug)]
struct Traced {
    stored: Stored,
    net: GraphNet,
    /// Batches that each batch norm has counted, in the order of the names that are stored.
    counts: Vec<Tensor>,
}

impl Traced {
    /// The model of a folder.
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let stored = Stored::open(folder, Device::Cpu)?;
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
        let counts = stored.counts.iter().map(|(_, count)| Tensor::from(*count)).collect();
        Ok(Self { stored, net, counts })
    }

    /// The model's tensors under their names in the state dict, after a prefix.
    fn named(&self, prefix: &str) -> Vec<Named<'_>> {
        let [parameters, statistics] = self.net.tensors();
        let weights = &self.stored.weights;
        let slots = [(&weights.parameters, parameters, false), (&weights.statistics, statistics, true)];
        let mut named = Vec::new();
        for (layout, tensors, buffer) in slots {
            let names = layout.slots().iter().map(|slot| format!("{prefix}{}", slot.name));
            named.extend(names.zip(tensors).map(|(name, tensor)| Named { name, tensor, buffer }));
        }
        let names = self.stored.counts.iter().map(|(name, _)| format!("{prefix}{name}"));
        named.extend(names.zip(&self.counts).map(|(name, tensor)| Named { name, tensor, buffer: true }));
        named
    }

    /// Samples for a trace.
    fn example(&self) -> Result<Tensor, Error> {
        let shape = &self.stored.shape;
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(i64::from);
        Ok(Tensor::f_rand([EXAMPLE, channels, height, width], (Kind::Float, Device::Cpu))?)
    }

    /// What comes out of the last layer.
    fn logits(&self, pixels: &Tensor) -> Result<Tensor, Error> {
        match &self.stored.standard {
            None => self.net.logits(pixels),
            Some(standard) => self.net.logits(&standard.apply(&pixels.f_flatten(1, -1)?)?),
        }
    }
}
