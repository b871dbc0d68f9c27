//! One layer of a model, and how layers are stacked.

use serde::{Deserialize, Serialize};

use super::{DataShape, wanted::Unbuildable};

/// One layer of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The prefix of the layer's tensors in a PyTorch state dict, for example `dense_0` or `block_1.conv_0`.
    pub name: String,
    /// What the layer does.
    pub op: Op,
    /// The shape of one sample's output: `[channels, height, width]` or `[features]`.
    pub output: Vec<u32>,
    /// How many numbers of the layer are trained.
    pub parameters: u64,
}

/// What a layer does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Op {
    /// Makes one row of all values.
    Flatten,
    /// A matrix and a bias.
    Dense {
        /// Values in.
        inputs: u32,
        /// Values out.
        outputs: u32,
    },
    /// A square convolution with bias, padded so that the side stays the same.
    Conv {
        /// Channels in.
        inputs: u32,
        /// Channels out.
        outputs: u32,
        /// The kernel's side in pixels, odd.
        kernel: u32,
    },
    /// Normalises each channel over the batch; trains a scale and a shift.
    BatchNorm {
        /// Channels.
        channels: u32,
    },
    /// Sets negative values to 0.
    Relu,
    /// The greatest value of each square; an incomplete square at the edge is left out.
    MaxPool {
        /// The square's side in pixels, and the distance of squares.
        size: u32,
    },
    /// Sets a share of the values to 0 in training.
    Dropout {
        /// The share, above 0 and below 1.
        rate: f64,
    },
}

impl Op {
    /// How many numbers are trained.
    fn parameters(&self) -> u64 {
        match *self {
            Self::Dense { inputs, outputs } => (u64::from(inputs) + 1).saturating_mul(outputs.into()),
            Self::Conv { inputs, outputs, kernel } => {
                let taps = u64::from(inputs).saturating_mul(u64::from(kernel).pow(2));
                taps.saturating_add(1).saturating_mul(outputs.into())
            }
            Self::BatchNorm { channels } => 2 * u64::from(channels),
            Self::Flatten | Self::Relu | Self::MaxPool { .. } | Self::Dropout { .. } => 0,
        }
    }
}

/// Layers so far, and the shape that comes out of them.
pub(super) struct Stack {
    pub(super) layers: Vec<Layer>,
    shape: Vec<u32>,
}

impl Stack {
    /// No layer yet: a sample as it is.
    pub(super) fn new(shape: &DataShape) -> Self {
        Self { layers: Vec::new(), shape: vec![shape.channels, shape.height, shape.width] }
    }

    /// Channels or features that come out.
    pub(super) fn channels(&self) -> u32 {
        self.shape[0]
    }

    /// The shorter side of the image that comes out; 1 where it is a row.
    pub(super) fn side(&self) -> u32 {
        self.shape[1..].iter().copied().min().unwrap_or(1)
    }

    /// Makes one row of the output.
    pub(super) fn flatten(&mut self) -> Result<(), Unbuildable> {
        let features = self.shape.iter().try_fold(1u32, |product, side| product.checked_mul(*side));
        match features {
            Some(features) if features > 0 => {
                self.push("flatten".to_owned(), Op::Flatten, vec![features]);
                Ok(())
            }
            _ => Err(Unbuildable::Shape { layer: "flatten".to_owned(), shape: self.shape.clone() }),
        }
    }

    /// Adds a dense layer.
    pub(super) fn dense(&mut self, name: String, outputs: u32) {
        self.push(name, Op::Dense { inputs: self.channels(), outputs }, vec![outputs]);
    }

    /// Adds a convolution, batch norm and ReLU, named with the number `index` in a block.
    pub(super) fn conv(&mut self, block: &str, index: u32, outputs: u32, kernel: u32) {
        let mut shape = self.shape.clone();
        shape[0] = outputs;
        let op = Op::Conv { inputs: self.channels(), outputs, kernel };
        self.push(format!("{block}.conv_{index}"), op, shape.clone());
        self.push(format!("{block}.norm_{index}"), Op::BatchNorm { channels: outputs }, shape);
        self.relu(format!("{block}.relu_{index}"));
    }

    /// Adds a ReLU.
    pub(super) fn relu(&mut self, name: String) {
        self.push(name, Op::Relu, self.shape.clone());
    }

    /// Adds a max-pool, unless the image is smaller than it or it would change nothing.
    pub(super) fn pool(&mut self, name: String, size: u32) {
        if size > 1 && self.side() >= size {
            let shape = vec![self.shape[0], self.shape[1] / size, self.shape[2] / size];
            self.push(name, Op::MaxPool { size }, shape);
        }
    }

    /// Adds dropout, unless the rate is 0.
    pub(super) fn dropout(&mut self, name: String, rate: f64) {
        if rate > 0.0 {
            self.push(name, Op::Dropout { rate }, self.shape.clone());
        }
    }

    fn push(&mut self, name: String, op: Op, output: Vec<u32>) {
        let parameters = op.parameters();
        self.shape.clone_from(&output);
        self.layers.push(Layer { name, op, output, parameters });
    }
}
