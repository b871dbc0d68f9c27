//! Any layers on any device, passed back by autograd.

use common::{
    model_spec::{DataShape, ModelSpec, Op},
    study::Precision,
};
use tch::{Device, Kind, Reduction, Tensor};
use worker_ext::{Error, batch::BatchSums, optim::bind_grad};

use super::{
    net::{Place, Plan},
    node::{Fused, Node, Parts, place_of},
    resident::Batch,
    weights::Weights,
};

/// A model as a list of operations.
#[derive(Debug)]
pub(super) struct GraphNet {
    steps: Vec<Step>,
    /// The steps' tensors: parameters and statistics, each in the order of the weights' slots.
    tensors: [Vec<Tensor>; 2],
    /// Channels, height and width of a sample.
    sample: [i64; 3],
    /// Zeroed before each batch: gradients are added to it.
    grads: Tensor,
    /// What passes between layers, and the factors of products.
    kind: Kind,
    /// Share of the target that is spread evenly over all classes.
    smoothing: f64,
    sums: BatchSums,
    /// Loss and hits of batches that are not in the sums yet, on the device.
    pending: Vec<Tensor>,
}

/// One operation, where its input comes from and whether its output is needed later on.
#[derive(Debug)]
struct Step {
    node: Node,
    /// An earlier step; the one before where there is none.
    from: Option<usize>,
    kept: bool,
}

impl GraphNet {
    /// The net of a model; it works on the weights' own memory.
    pub(super) fn new(
        spec: &ModelSpec,
        shape: &DataShape,
        weights: &Weights,
        plan: Plan,
    ) -> Result<Self, Error> {
        let views = weights.parameters.views(&weights.values)?;
        let grads = weights.parameters.views(&weights.grads)?;
        let slots = weights.parameters.slots().iter();
        let leaves = views.iter().zip(&grads).zip(slots).map(|((view, grad), slot)| {
            // What is frozen needs no gradient, and autograd goes back no further than it must.
            if slot.layer < plan.frozen { Ok(view.f_detach()?) } else { leaf(view, grad) }
        });
        let leaves: Vec<Tensor> = leaves.collect::<Result<_, Error>>()?;
        let running = weights.statistics.views(&weights.running)?;
        let mut parts = Parts {
            leaves: leaves.iter().map(|leaf| Ok(leaf.shallow_clone())),
            running: running.iter().map(Tensor::shallow_clone),
        };
        let mut steps: Vec<Step> = Vec::new();
        for (at, layer) in spec.layers.iter().enumerate() {
            let node = parts.node(spec, at, plan)?;
            let from = layer.from.as_ref().map(|name| place_of(&spec.layers[..at], name)).transpose()?;
            let other = if let Node::Add { other } = node { Some(other) } else { None };
            for place in from.into_iter().chain(other) {
                steps[place].kept = true;
            }
            steps.push(Step { node, from, kept: false });
        }
        let sample = [shape.channels, shape.height, shape.width].map(i64::from);
        let (grads, sums) = (weights.grads.shallow_clone(), BatchSums::default());
        let smoothing = plan.smoothing;
        let kind = match plan.precision {
            Precision::Float32 => Kind::Float,
            Precision::Bfloat16 => Kind::BFloat16,
        };
        let tensors = [leaves, running];
        Ok(Self { steps, tensors, sample, grads, kind, smoothing, sums, pending: Vec::new() })
    }

    /// The same net with each batch norm and what follows it as one operation, and convolutions in few multiplications,
    /// where it computes on the CPU in single precision: numbers differ in the last bits. What it does cannot be written
    /// as TorchScript.
    pub(super) fn fused(mut self, spec: &ModelSpec) -> Self {
        if self.kind != Kind::Float || self.grads.device() != Device::Cpu {
            return self;
        }
        for at in 0..self.steps.len() {
            // A step is taken with the one before it where nothing else asks for what lies between.
            let follows = |step: usize, op: Op| {
                let next = self.steps.get(step).is_some_and(|next| next.from.is_none());
                next && spec.layers[step].op == op && !self.steps[step - 1].kept
            };
            let relu = follows(at + 1, Op::Relu);
            let pool = relu && follows(at + 2, Op::MaxPool { size: 2 });
            let norm = match &mut self.steps[at].node {
                Node::BatchNorm(norm) => norm,
                Node::Conv { winograd, .. } => {
                    *winograd = true;
                    continue;
                }
                _ => continue,
            };
            norm.fused = Some(Fused { relu, pool });
            for step in &mut self.steps[at + 1..][..usize::from(relu) + usize::from(pool)] {
                step.node = Node::Done;
            }
        }
        self
    }

    /// Leaves a batch's gradients in the weights' buffer and adds the batch to the sums.
    pub(super) fn train(&mut self, batch: &Batch, place: Place) -> Result<(), Error> {
        _ = self.grads.f_zero_()?;
        let logits = self.forward(&batch.pixels, Some(place))?;
        let loss = logits.f_cross_entropy_loss(
            &batch.labels,
            None::<&Tensor>,
            Reduction::Mean,
            -100,
            self.smoothing,
        )?;
        loss.f_backward()?;
        let sum = loss.f_detach()?.f_mul_scalar(batch.labels.size()[0])?;
        let hits = logits.f_detach()?.f_argmax(-1, false)?.f_eq_tensor(&batch.labels)?.f_sum(Kind::Float)?;
        self.pending.push(Tensor::f_stack(&[sum, hits], 0)?);
        Ok(())
    }

    /// Forgets the sums.
    pub(super) fn clear_sums(&mut self) {
        self.pending.clear();
        self.sums = BatchSums::default();
    }

    /// Loss and hits since the sums were forgotten, added up in the order of steps; waits for the device.
    pub(super) fn sums(&mut self) -> Result<BatchSums, Error> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            let host = Tensor::f_stack(&pending, 0)?.f_to_device(Device::Cpu)?.f_flatten(0, -1)?;
            for pair in Vec::<f32>::try_from(host)?.chunks_exact(2) {
                self.sums += BatchSums { loss: f64::from(pair[0]), correct: pair[1] as u64 };
            }
        }
        Ok(self.sums)
    }

    /// The very tensors that the layers use: parameters and statistics, each in the order of the weights' slots.
    pub(super) fn tensors(&self) -> &[Vec<Tensor>; 2] {
        &self.tensors
    }

    /// The tensors that the layers use, to give them other memory.
    pub(super) fn tensors_mut(&mut self) -> &mut [Vec<Tensor>; 2] {
        &mut self.tensors
    }

    /// What comes out of the last layer, samples × classes, without dropout and by running statistics.
    pub(super) fn logits(&self, pixels: &Tensor) -> Result<Tensor, Error> {
        self.forward(pixels, None)
    }

    /// Passes a batch through the layers; in training where there is a place.
    fn forward(&self, pixels: &Tensor, place: Option<Place>) -> Result<Tensor, Error> {
        let [channels, height, width] = self.sample;
        // Channels last, as the kernels lie.
        let images = pixels.f_view([-1, channels, height, width])?.f_permute([0, 2, 3, 1])?.f_contiguous()?;
        let mut x = images.f_permute([0, 3, 1, 2])?.f_to_kind(self.kind)?;
        let mut kept: Vec<Option<Tensor>> = Vec::new();
        for step in &self.steps {
            let earlier = step.from.and_then(|from| kept[from].as_ref());
            x = step.node.pass(earlier.unwrap_or(&x), &kept, place)?;
            kept.push(step.kept.then(|| x.shallow_clone()));
        }
        Ok(x.f_to_kind(Kind::Float)?)
    }
}

/// A parameter that autograd follows, its gradient added to `grad`.
fn leaf(view: &Tensor, grad: &Tensor) -> Result<Tensor, Error> {
    let leaf = view.f_detach()?.f_set_requires_grad(true)?;
    bind_grad(&leaf, grad).map(|()| leaf)
}

#[cfg(test)]
mod tests;
