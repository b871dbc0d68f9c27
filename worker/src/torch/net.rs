//! A model that can be trained and asked.

use common::{
    model_spec::{DataShape, ModelSpec},
    random::Purpose,
    study::Precision,
};
use tch::{Device, Kind, Tensor};
use worker_ext::{Error, batch::BatchSums, mask::Mask};

use super::{dense::DenseNet, graph::GraphNet, resident::Batch, standard::Standard, weights::Weights};

/// Samples that are asked for at a time. Fixed, as sums of products may depend on it.
pub(super) const EVALUATION_ROWS: i64 = 250;

/// Where in training a step is: epochs finished before it, and steps of its epoch before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: u32,
    pub(super) step: u32,
}

/// A model over its weights, and how it takes samples.
#[derive(Debug)]
pub(super) struct Net {
    layers: Layers,
    standard: Option<Standard>,
}

/// A model's layers, in the form that is fastest for them.
#[derive(Debug)]
enum Layers {
    /// Dense layers on the CPU, passed by hand.
    Dense(DenseNet),
    /// Any layers on any device, passed back by autograd.
    Graph(GraphNet),
}

impl Net {
    /// A model over its weights that takes pixels from 0 to 1, and standardises them where there is what to do it by.
    pub(super) fn new(
        (spec, shape): (&ModelSpec, &DataShape),
        weights: &Weights,
        plan: Plan,
        standard: Option<Standard>,
    ) -> Result<Self, Error> {
        let dense = match weights.device() {
            Device::Cpu => DenseNet::new(spec, weights, plan)?,
            _ => None,
        };
        let layers = match dense {
            Some(net) => Layers::Dense(net),
            None => Layers::Graph(GraphNet::new(spec, shape, weights, plan)?.fused(spec)),
        };
        Ok(Self { layers, standard })
    }

    /// Leaves a batch's gradients in the weights' buffer and adds the batch to the sums.
    pub(super) fn train(&mut self, batch: &Batch, place: Place) -> Result<(), Error> {
        let pixels = self.standardised(&batch.pixels)?;
        let batch = &Batch { pixels, labels: batch.labels.shallow_clone() };
        match &mut self.layers {
            Layers::Dense(net) => net.train(batch, place),
            Layers::Graph(net) => net.train(batch, place),
        }
    }

    /// Forgets the sums.
    pub(super) fn clear_sums(&mut self) {
        match &mut self.layers {
            Layers::Dense(net) => net.clear_sums(),
            Layers::Graph(net) => net.clear_sums(),
        }
    }

    /// Loss and hits since the sums were forgotten; waits for the device.
    pub(super) fn sums(&mut self) -> Result<BatchSums, Error> {
        match &mut self.layers {
            Layers::Dense(net) => Ok(net.sums()),
            Layers::Graph(net) => net.sums(),
        }
    }

    /// Log-probabilities, samples × classes on the device, without dropout and by running statistics.
    pub(super) fn log_probabilities(&mut self, pixels: &Tensor) -> Result<Tensor, Error> {
        Ok(self.logits(pixels)?.f_log_softmax(-1, Kind::Float)?)
    }

    /// What comes out of the last layer, samples × classes on the device; valid until the next call.
    pub(super) fn logits(&mut self, pixels: &Tensor) -> Result<Tensor, Error> {
        let _guard = tch::no_grad_guard();
        let pixels = &self.standardised(pixels)?;
        match &mut self.layers {
            Layers::Dense(net) => net.logits(pixels),
            Layers::Graph(net) => net.logits(pixels),
        }
    }

    fn standardised(&self, pixels: &Tensor) -> Result<Tensor, Error> {
        self.standard.as_ref().map_or_else(|| Ok(pixels.shallow_clone()), |standard| standard.apply(pixels))
    }
}

/// What a net needs to know of its training.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Most samples of a training batch.
    pub(super) rows: i64,
    /// The seed of its dropout masks.
    pub(super) trial_seed: u64,
    /// Share of the target that is spread evenly over all classes.
    pub(super) smoothing: f64,
    /// Number format of what passes between layers.
    pub(super) precision: Precision,
    /// So many of the first layers stay as they are.
    pub(super) frozen: usize,
}

impl Plan {
    /// The mask of the dropout layer at this place among the model's layers.
    ///
    /// Elements count as they lie in memory: row by row, and channels last for images.
    pub(super) fn mask(&self, layer: usize, rate: f64) -> Mask {
        let tag = (Purpose::Dropout as u32) << 24 | layer as u32;
        Mask::new(self.trial_seed, tag, rate)
    }
}

#[cfg(test)]
mod tests {
    use common::random::Stream;
    use worker_ext::mask::threshold;

    use super::*;
    use crate::torch::tests::plan;

    /// The C++ draws what `common` says, on whatever instruction set this machine has.
    #[test]
    fn masks_equal_the_stream_of_common() {
        let plan = Plan { rows: 1, trial_seed: 0x0123_4567_89ab_cdef, ..plan() };
        for (layer, epoch, step, rate) in [(0, 0, 0, 0.3), (5, 7, 421, 0.1), (1, 80, 3, 0.5)] {
            let mask = plan.mask(layer, rate).at(epoch, step);
            let out = Tensor::empty([10_007], (Kind::Float, Device::Cpu));
            mask.fill(&out).unwrap();
            let stream = Stream::new(plan.trial_seed, Purpose::Dropout);
            let mut words = stream.layer(layer as u32).epoch(epoch).step(step).words();
            let scale = (1.0 / (1.0 - rate)) as f32;
            let expected: Vec<f32> =
                (0..10_007).map(|_| if words.word() >= threshold(rate) { scale } else { 0.0 }).collect();
            assert_eq!(Vec::<f32>::try_from(out).unwrap(), expected);
        }
    }
}
