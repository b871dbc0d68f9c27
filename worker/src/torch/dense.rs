//! Dense layers on the CPU, passed forward and back by hand.
//!
//! Autograd would keep and walk a graph, and would read and write every activation several times between products.
//! Here there are three products a layer and one pass between them, into buffers that are allocated once.

use common::model_spec::{ModelSpec, Op};
use tch::{Device, Kind, Tensor};
use worker_ext::{
    Error,
    batch::{BatchSums, cross_entropy},
    dense::{activate, activate_backward},
    mask::Mask,
};

use super::{
    net::{EVALUATION_ROWS, Place, Plan},
    resident::Batch,
    weights::Weights,
};

/// A multilayer perceptron: every layer but the last is followed by ReLU and perhaps by dropout.
#[derive(Debug)]
pub(super) struct DenseNet {
    layers: Vec<Layer>,
    /// So many of the first layers stay as they are.
    frozen: usize,
    buffers: Buffers,
    /// Views of the buffers by number of samples: of a full batch, of an epoch's last one, and for evaluation.
    spaces: Vec<Space>,
    /// Share of the target that is spread evenly over all classes.
    smoothing: f64,
    sums: BatchSums,
}

/// Views of one layer's weights and gradients.
#[derive(Debug)]
struct Layer {
    outputs: i64,
    weight: Tensor,
    /// Inputs × outputs.
    weight_t: Tensor,
    bias: Tensor,
    weight_grad: Tensor,
    bias_grad: Tensor,
    /// The dropout after the layer.
    mask: Option<Mask>,
}

/// Flat memory that all batches share.
#[derive(Debug)]
struct Buffers {
    /// By layer, what comes out of it.
    outputs: Vec<Tensor>,
    /// What goes back into a layer; two suffice, as one is made of the other.
    grads: [Tensor; 2],
}

/// The buffers as matrices with so many rows.
#[derive(Debug)]
struct Space {
    rows: i64,
    outputs: Vec<Tensor>,
    grads: Vec<Tensor>,
    /// Outputs × rows.
    grads_t: Vec<Tensor>,
}

impl DenseNet {
    /// The net of a model of dense layers; none where the model has others.
    pub(super) fn new(spec: &ModelSpec, weights: &Weights, plan: Plan) -> Result<Option<Self>, Error> {
        let Some(masks) = dropouts(spec, plan) else { return Ok(None) };
        let values = weights.parameters.views(&weights.values)?;
        let grads = weights.parameters.views(&weights.grads)?;
        let mut layers = Vec::new();
        // A layer's weight and bias stand side by side.
        for ((value, grad), mask) in values.chunks_exact(2).zip(grads.chunks_exact(2)).zip(masks) {
            layers.push(Layer {
                outputs: value[0].size()[0],
                weight: value[0].shallow_clone(),
                weight_t: value[0].f_tr()?,
                bias: value[1].shallow_clone(),
                weight_grad: grad[0].shallow_clone(),
                bias_grad: grad[1].shallow_clone(),
                mask,
            });
        }
        let flat = |rows: i64, width: i64| Tensor::f_empty([rows * width], (Kind::Float, Device::Cpu));
        let widest = layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
        let most = plan.rows.max(EVALUATION_ROWS);
        let outputs = layers.iter().map(|layer| flat(most, layer.outputs)).collect::<Result<_, _>>()?;
        let buffers = Buffers { outputs, grads: [flat(most, widest)?, flat(most, widest)?] };
        let smoothing = plan.smoothing;
        let dense = |layer: &&common::model_spec::Layer| matches!(layer.op, Op::Dense { .. });
        let frozen = spec.layers.iter().take(plan.frozen).filter(dense).count();
        let sums = BatchSums::default();
        Ok(Some(Self { layers, frozen, buffers, spaces: Vec::new(), smoothing, sums }))
    }

    /// Leaves a batch's gradients in the weights' buffer and adds the batch to the sums.
    pub(super) fn train(&mut self, batch: &Batch, place: Place) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let at = self.forward(&batch.pixels, Some(place))?;
        let (space, last) = (&self.spaces[at], self.layers.len() - 1);
        let (logits, grad) = (&space.outputs[last], &space.grads[last]);
        self.sums +=
            cross_entropy(logits, &batch.labels, (grad, &self.layers[last].bias_grad), self.smoothing)?;
        self.backward(&batch.pixels, at)
    }

    /// Forgets the sums.
    pub(super) fn clear_sums(&mut self) {
        self.sums = BatchSums::default();
    }

    /// Loss and hits since the sums were forgotten.
    pub(super) fn sums(&self) -> BatchSums {
        self.sums
    }

    /// What comes out of the last layer, samples × classes, without dropout; valid until the next call.
    pub(super) fn logits(&mut self, pixels: &Tensor) -> Result<Tensor, Error> {
        let at = self.forward(pixels, None)?;
        Ok(self.spaces[at].outputs[self.layers.len() - 1].shallow_clone())
    }

    /// Fills the outputs and says which space holds them; drops where there is a place to draw masks for.
    fn forward(&mut self, pixels: &Tensor, place: Option<Place>) -> Result<usize, Error> {
        let at = self.space(pixels.size()[0])?;
        let outputs = &self.spaces[at].outputs;
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let input = if i == 0 { pixels } else { &outputs[i - 1] };
            if i == last {
                _ = layer.bias.f_addmm_out(&outputs[i], input, &layer.weight_t)?;
            } else {
                _ = input.f_mm_out(&outputs[i], &layer.weight_t)?;
                let mask = layer.mask.zip(place).map(|(mask, place)| mask.at(place.epoch, place.step));
                activate(&outputs[i], &layer.bias, mask.as_ref())?;
            }
        }
        Ok(at)
    }

    /// Takes the gradient in the last layer's buffer back to the first that is trained.
    fn backward(&self, pixels: &Tensor, at: usize) -> Result<(), Error> {
        let Space { outputs, grads, grads_t, .. } = &self.spaces[at];
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let input = if i == 0 { pixels } else { &outputs[i - 1] };
            _ = grads_t[i].f_mm_out(&layer.weight_grad, input)?;
            let Some(below) = i.checked_sub(1).filter(|_| i > self.frozen) else { break };
            _ = grads[i].f_mm_out(&grads[below], &layer.weight)?;
            let Layer { mask, bias_grad, .. } = &self.layers[below];
            let scale = mask.map_or(1.0, |mask| mask.scale());
            activate_backward(&grads[below], &outputs[below], scale, bias_grad)?;
        }
        Ok(())
    }

    /// The place of the space with so many rows.
    fn space(&mut self, rows: i64) -> Result<usize, Error> {
        if let Some(at) = self.spaces.iter().position(|space| space.rows == rows) {
            return Ok(at);
        }
        let matrix = |flat: &Tensor, width: i64| flat.f_narrow(0, 0, rows * width)?.f_view([rows, width]);
        let mut space = Space { rows, outputs: Vec::new(), grads: Vec::new(), grads_t: Vec::new() };
        for (i, layer) in self.layers.iter().enumerate() {
            space.outputs.push(matrix(&self.buffers.outputs[i], layer.outputs)?);
            space.grads.push(matrix(&self.buffers.grads[i % 2], layer.outputs)?);
            space.grads_t.push(space.grads[i].f_tr()?);
        }
        self.spaces.push(space);
        Ok(self.spaces.len() - 1)
    }
}

/// The dropout after each dense layer; none where the model is not dense layers with ReLU between them.
fn dropouts(spec: &ModelSpec, plan: Plan) -> Option<Vec<Option<Mask>>> {
    let mut layers = spec.layers.iter().enumerate().peekable();
    layers.next_if(|(_, layer)| layer.op == Op::Flatten);
    let mut masks = Vec::new();
    loop {
        let (_, layer) = layers.next()?;
        let Op::Dense { .. } = layer.op else { return None };
        if layers.peek().is_none() {
            masks.push(None);
            return Some(masks);
        }
        layers.next_if(|(_, layer)| layer.op == Op::Relu)?;
        let mask = match layers.peek() {
            Some((i, layer)) => match layer.op {
                Op::Dropout { rate } => Some(plan.mask(*i, rate)),
                _ => None,
            },
            None => return None,
        };
        layers.next_if(|_| mask.is_some());
        masks.push(mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{
        graph::GraphNet,
        tests::{SHAPE, cnn, exact, mlp, plan},
    };

    /// A batch of 40 samples, which is no multiple of anything here.
    fn batch() -> Batch {
        let pixels = Tensor::rand([40, 36], (Kind::Float, Device::Cpu));
        Batch { pixels, labels: Tensor::from_slice(&[0i64, 1, 2, 1].repeat(10)) }
    }

    #[test]
    fn gradients_by_hand_equal_those_of_autograd() {
        let _exact = exact();
        let plan = Plan { rows: 64, trial_seed: 9, smoothing: 0.1, ..plan() };
        for (units, dropout) in [(&[20, 33, 7][..], 0.3), (&[16], 0.0), (&[], 0.0)] {
            let (spec, batch) = (mlp(units, dropout), batch());
            let weights = Weights::new(&spec, 1, Device::Cpu).unwrap();
            let mut net = DenseNet::new(&spec, &weights, plan).unwrap().unwrap();
            let mut graph = GraphNet::new(&spec, &SHAPE, &weights, plan).unwrap();
            for step in 0..3 {
                let place = Place { epoch: 2, step };
                net.train(&batch, place).unwrap();
                let by_hand = weights.grads.copy();
                graph.train(&batch, place).unwrap();
                assert!(by_hand.allclose(&weights.grads, 1e-4, 1e-6, false), "{units:?}, step {step}");
            }
            let (one, two) = (net.sums(), graph.sums().unwrap());
            assert!((one.loss - two.loss).abs() < 1e-4 && one.correct == two.correct, "{one:?} {two:?}");
            let logits = net.logits(&batch.pixels).unwrap();
            assert!(logits.allclose(&graph.logits(&batch.pixels).unwrap().detach(), 1e-4, 1e-6, false));
        }
    }

    #[test]
    fn other_layers_are_left_to_autograd() {
        let weights = Weights::new(&cnn(), 1, Device::Cpu).unwrap();
        assert!(DenseNet::new(&cnn(), &weights, plan()).unwrap().is_none());
    }
}
