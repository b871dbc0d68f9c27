//! One operation of a net that autograd passes back.

use common::model_spec::{Layer, ModelSpec, Op};
use tch::{Device, Kind, Tensor};
use worker_ext::{
    Error,
    conv::{conv, suits},
    mask::Mask,
    norm::{Norm, norm},
};

use super::net::{Place, Plan};

/// Batch norm's share of a new batch in its running statistics, and what keeps its divisor above zero: PyTorch's.
pub(super) const MOMENTUM: f64 = 0.1;
pub(super) const EPSILON: f64 = 1e-5;

/// One operation with its tensors.
#[derive(Debug)]
pub(super) enum Node {
    Flatten,
    Dense {
        weight: Tensor,
        bias: Tensor,
    },
    Conv {
        weight: Tensor,
        bias: Option<Tensor>,
        padding: i64,
        stride: i64,
        /// In few multiplications where its shapes allow; on the CPU and in single precision alone.
        winograd: bool,
    },
    BatchNorm(BatchNorm),
    /// What the batch norm before it does as well.
    Done,
    Activation(fn(&Tensor) -> Result<Tensor, tch::TchError>),
    MaxPool {
        size: i64,
    },
    GlobalAvgPool,
    Add {
        other: usize,
    },
    Dropout {
        rate: f64,
        mask: Mask,
    },
}

/// A batch norm's tensors, and how it passes.
#[derive(Debug)]
pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    /// It goes by its running statistics in training too.
    frozen: bool,
    /// What it does in the same operation, on the CPU and in single precision; none where it is libtorch's own.
    pub(super) fused: Option<Fused>,
}

/// What a batch norm does as well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fused {
    pub(super) relu: bool,
    /// A max-pool of 2.
    pub(super) pool: bool,
}

/// The tensors that nodes are made of, in the order of layers.
pub(super) struct Parts<L, S> {
    /// Parameters that gather gradients.
    pub(super) leaves: L,
    /// Running statistics.
    pub(super) running: S,
}

impl<L, S> Parts<L, S>
where
    L: Iterator<Item = Result<Tensor, Error>>,
    S: Iterator<Item = Tensor>,
{
    /// The node of a model's layer; layers are taken in their order.
    pub(super) fn node(&mut self, spec: &ModelSpec, at: usize, plan: Plan) -> Result<Node, Error> {
        Ok(match &spec.layers[at].op {
            Op::Flatten => Node::Flatten,
            Op::Dense { .. } => Node::Dense { weight: self.leaf()?, bias: self.leaf()? },
            Op::Conv { kernel, stride, bias, .. } => Node::Conv {
                weight: self.leaf()?,
                bias: if *bias { Some(self.leaf()?) } else { None },
                padding: i64::from(kernel / 2),
                stride: i64::from(*stride),
                winograd: false,
            },
            Op::BatchNorm { .. } => Node::BatchNorm(BatchNorm {
                weight: self.leaf()?,
                bias: self.leaf()?,
                mean: self.statistic()?,
                variance: self.statistic()?,
                frozen: at < plan.frozen,
                fused: None,
            }),
            Op::Relu => Node::Activation(Tensor::f_relu),
            Op::Gelu => Node::Activation(|x| x.f_gelu("none")),
            Op::Silu => Node::Activation(Tensor::f_silu),
            Op::Tanh => Node::Activation(Tensor::f_tanh),
            Op::Elu => Node::Activation(Tensor::f_elu),
            Op::LeakyRelu => Node::Activation(Tensor::f_leaky_relu),
            Op::MaxPool { size } => Node::MaxPool { size: i64::from(*size) },
            Op::GlobalAvgPool => Node::GlobalAvgPool,
            Op::Add { other } => Node::Add { other: place_of(&spec.layers[..at], other)? },
            Op::Dropout { rate } => Node::Dropout { rate: *rate, mask: plan.mask(at, *rate) },
        })
    }

    fn leaf(&mut self) -> Result<Tensor, Error> {
        self.leaves.next().ok_or_else(missing)?
    }

    fn statistic(&mut self) -> Result<Tensor, Error> {
        self.running.next().ok_or_else(missing)
    }
}

/// The place of an earlier layer.
pub(super) fn place_of(earlier: &[Layer], name: &str) -> Result<usize, Error> {
    let place = earlier.iter().position(|layer| layer.name == name);
    place.ok_or_else(|| Error::Failed(format!("the model has no earlier layer `{name}`")))
}

fn missing() -> Error {
    Error::Failed("the weights lack a layer's tensor".to_owned())
}

impl Node {
    /// What comes out of the node; in training where there is a place. `kept` holds earlier outputs by layer.
    pub(super) fn pass(
        &self,
        x: &Tensor,
        kept: &[Option<Tensor>],
        place: Option<Place>,
    ) -> Result<Tensor, Error> {
        Ok(match self {
            Self::Flatten => x.f_flatten(1, -1)?,
            Self::Dense { weight, bias } => {
                x.f_linear(&weight.f_to_kind(x.kind())?, Some(bias.f_to_kind(x.kind())?))?
            }
            Self::Conv { weight, bias, padding, stride: 1, winograd: true }
                if suits(&x.size(), &weight.size(), *padding) =>
            {
                conv(x, weight, bias.as_ref(), *padding)?
            }
            Self::Conv { weight, bias, padding, stride, .. } => {
                let bias = bias.as_ref().map(|bias| bias.f_to_kind(x.kind())).transpose()?;
                let weight = weight.f_to_kind(x.kind())?;
                x.f_conv2d(&weight, bias.as_ref(), [*stride; 2], [*padding; 2], [1, 1], 1)?
            }
            Self::BatchNorm(norm) => norm.pass(x, place.is_some())?,
            Self::Done => x.shallow_clone(),
            Self::Activation(function) => function(x)?,
            Self::MaxPool { size } => x.f_max_pool2d([*size; 2], [*size; 2], [0, 0], [1, 1], false)?,
            Self::GlobalAvgPool => x.f_mean_dim(&[2i64, 3][..], false, None)?,
            Self::Add { other } => x.f_add(kept[*other].as_ref().ok_or_else(missing)?)?,
            Self::Dropout { rate, mask } => match place {
                None => x.shallow_clone(),
                Some(_) if x.device() != Device::Cpu => x.f_dropout(*rate, true)?,
                Some(place) => x.f_mul(&mask_like(x, &mask.at(place.epoch, place.step))?)?,
            },
        })
    }
}

impl BatchNorm {
    fn pass(&self, x: &Tensor, training: bool) -> Result<Tensor, Error> {
        let Self { weight, bias, mean, variance, .. } = self;
        // One value has no variance to learn from.
        let learns = training && !self.frozen && x.numel() as i64 > x.size()[1];
        if let Some(Fused { relu, pool }) = self.fused {
            let how = Norm { momentum: MOMENTUM, epsilon: EPSILON, training: learns, relu, pool };
            return norm(x, (weight, bias), (mean, variance), how);
        }
        let (scale, shift, mean, variance) = (Some(weight), Some(bias), Some(mean), Some(variance));
        Ok(x.f_batch_norm(scale, shift, mean, variance, learns, MOMENTUM, EPSILON, true)?)
    }
}

/// A mask that lies as `x` does and is of its kind: row by row, and channels last for images.
fn mask_like(x: &Tensor, mask: &Mask) -> Result<Tensor, Error> {
    let options = (Kind::Float, Device::Cpu);
    let factors = match x.size()[..] {
        [samples, channels, height, width] => {
            let flat = Tensor::f_empty([samples, height, width, channels], options)?;
            mask.fill(&flat)?;
            flat.f_permute([0, 3, 1, 2])?
        }
        _ => {
            let flat = Tensor::f_empty(x.size(), options)?;
            mask.fill(&flat)?;
            flat
        }
    };
    Ok(factors.f_to_kind(x.kind())?)
}
