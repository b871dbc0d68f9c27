//! Any layers on any device, passed back by autograd.

use common::{
    model_spec::{DataShape, ModelSpec, Op},
    study::Precision,
};
use tch::{Device, Kind, Reduction, Tensor};
use worker_ext::{Error, batch::BatchSums, mask::Mask, optim::bind_grad};

use super::{
    net::{Place, Plan},
    resident::Batch,
    weights::Weights,
};

/// Batch norm's share of a new batch in its running statistics, and what keeps its divisor above zero: PyTorch's.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// A model as a chain of operations.
#[derive(Debug)]
pub(super) struct GraphNet {
    nodes: Vec<Node>,
    /// The nodes' tensors: parameters and statistics, each in the order of the weights' slots.
    tensors: [Vec<Tensor>; 2],
    /// Channels, height and width of a sample.
    sample: [i64; 3],
    /// Zeroed before each batch: gradients are added to it.
    grads: Tensor,
    device: Device,
    /// What passes between layers, and the factors of products.
    kind: Kind,
    /// Share of the target that is spread evenly over all classes.
    smoothing: f64,
    sums: BatchSums,
    /// Loss and hits of batches that are not in the sums yet, on the device.
    pending: Vec<Tensor>,
}

/// One operation with its tensors.
#[derive(Debug)]
enum Node {
    Flatten,
    Dense { weight: Tensor, bias: Tensor },
    Conv { weight: Tensor, bias: Tensor, padding: i64 },
    BatchNorm { weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor },
    Relu,
    MaxPool { size: i64 },
    Dropout { rate: f64, mask: Mask },
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
        let leaves = views.iter().zip(&grads).map(|(view, grad)| leaf(view, grad));
        let leaves: Vec<Tensor> = leaves.collect::<Result<_, _>>()?;
        let running = weights.statistics.views(&weights.running)?;
        let (mut next_leaf, mut next_statistic) = (leaves.iter(), running.iter());
        let missing = || Error::Failed("the weights lack a layer's tensor".to_owned());
        let mut leaf = || next_leaf.next().map(Tensor::shallow_clone).ok_or_else(missing);
        let mut statistic = || next_statistic.next().map(Tensor::shallow_clone).ok_or_else(missing);
        let mut nodes = Vec::new();
        for (i, layer) in spec.layers.iter().enumerate() {
            nodes.push(match layer.op {
                Op::Flatten => Node::Flatten,
                Op::Dense { .. } => Node::Dense { weight: leaf()?, bias: leaf()? },
                Op::Conv { kernel, .. } => {
                    Node::Conv { weight: leaf()?, bias: leaf()?, padding: i64::from(kernel / 2) }
                }
                Op::BatchNorm { .. } => Node::BatchNorm {
                    weight: leaf()?,
                    bias: leaf()?,
                    mean: statistic()?,
                    variance: statistic()?,
                },
                Op::Relu => Node::Relu,
                Op::MaxPool { size } => Node::MaxPool { size: i64::from(size) },
                Op::Dropout { rate } => Node::Dropout { rate, mask: plan.mask(i, rate) },
            });
        }
        let sample = [shape.channels, shape.height, shape.width].map(i64::from);
        let device = weights.device();
        let (grads, sums) = (weights.grads.shallow_clone(), BatchSums::default());
        let smoothing = plan.smoothing;
        let kind = match plan.precision {
            Precision::Float32 => Kind::Float,
            Precision::Bfloat16 => Kind::BFloat16,
        };
        let tensors = [leaves, running];
        Ok(Self { nodes, tensors, sample, grads, device, kind, smoothing, sums, pending: Vec::new() })
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

    /// The same, to give them other memory.
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
        for node in &self.nodes {
            x = self.pass(node, &x, place)?;
        }
        Ok(x.f_to_kind(Kind::Float)?)
    }

    fn pass(&self, node: &Node, x: &Tensor, place: Option<Place>) -> Result<Tensor, Error> {
        Ok(match node {
            Node::Flatten => x.f_flatten(1, -1)?,
            Node::Dense { weight, bias } => {
                x.f_linear(&weight.f_to_kind(self.kind)?, Some(bias.f_to_kind(self.kind)?))?
            }
            Node::Conv { weight, bias, padding } => {
                let (weight, bias) = (weight.f_to_kind(self.kind)?, bias.f_to_kind(self.kind)?);
                x.f_conv2d(&weight, Some(bias), [1, 1], [*padding; 2], [1, 1], 1)?
            }
            Node::BatchNorm { weight, bias, mean, variance } => {
                let (scale, shift) = (Some(weight), Some(bias));
                let training = place.is_some();
                x.f_batch_norm(scale, shift, Some(mean), Some(variance), training, MOMENTUM, EPSILON, true)?
            }
            Node::Relu => x.f_relu()?,
            Node::MaxPool { size } => x.f_max_pool2d([*size; 2], [*size; 2], [0, 0], [1, 1], false)?,
            Node::Dropout { rate, mask } => match place {
                None => x.shallow_clone(),
                Some(_) if self.device != Device::Cpu => x.f_dropout(*rate, true)?,
                Some(place) => {
                    x.f_mul(&mask_like(x, &mask.at(place.epoch, place.step))?.f_to_kind(self.kind)?)?
                }
            },
        })
    }
}

/// A parameter that autograd follows, its gradient added to `grad`.
fn leaf(view: &Tensor, grad: &Tensor) -> Result<Tensor, Error> {
    let leaf = view.f_detach()?.f_set_requires_grad(true)?;
    bind_grad(&leaf, grad).map(|()| leaf)
}

/// A mask that lies as `x` does: row by row, and channels last for images.
fn mask_like(x: &Tensor, mask: &Mask) -> Result<Tensor, Error> {
    let options = (Kind::Float, Device::Cpu);
    match x.size()[..] {
        [samples, channels, height, width] => {
            let flat = Tensor::f_empty([samples, height, width, channels], options)?;
            mask.fill(&flat)?;
            Ok(flat.f_permute([0, 3, 1, 2])?)
        }
        _ => {
            let flat = Tensor::f_empty(x.size(), options)?;
            mask.fill(&flat)?;
            Ok(flat)
        }
    }
}
