//! How layers are stacked.

use super::{Activation, DataShape, Layer, Op, choices::Head, wanted::Unbuildable};

/// Layers so far, and the shape that comes out of them.
pub(super) struct Stack {
    pub(super) layers: Vec<Layer>,
    shape: Vec<u32>,
    /// Where the next layer's input comes from, where that is not the layer before.
    from: Option<String>,
}

/// A layer to come back to, and what comes out of it.
pub(super) struct Mark {
    name: String,
    shape: Vec<u32>,
}

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub(super) outputs: u32,
    pub(super) kernel: u32,
    pub(super) stride: u32,
    pub(super) bias: bool,
}

impl Stack {
    /// No layer yet: a sample as it is.
    pub(super) fn new(shape: &DataShape) -> Self {
        Self { layers: Vec::new(), shape: vec![shape.channels, shape.height, shape.width], from: None }
    }

    /// Channels or features that come out.
    pub(super) fn channels(&self) -> u32 {
        self.shape[0]
    }

    /// The shorter side of the image that comes out; 1 where it is a row.
    pub(super) fn side(&self) -> u32 {
        self.shape[1..].iter().copied().min().unwrap_or(1)
    }

    /// Makes one row of an image.
    pub(super) fn row(&mut self, head: Head) -> Result<(), Unbuildable> {
        let (name, op, features) = match head {
            Head::Flatten => {
                let all = self.shape.iter().try_fold(1u32, |product, side| product.checked_mul(*side));
                ("flatten", Op::Flatten, all)
            }
            Head::Average => {
                let channels = (!self.shape.contains(&0)).then_some(self.shape[0]);
                ("average", Op::GlobalAvgPool, channels)
            }
        };
        match features {
            Some(features) if features > 0 => {
                self.push(name.to_owned(), op, vec![features]);
                Ok(())
            }
            _ => Err(self.misfit(name.to_owned())),
        }
    }

    /// Adds a dense layer.
    pub(super) fn dense(&mut self, name: String, outputs: u32) {
        self.push(name, Op::Dense { inputs: self.channels(), outputs }, vec![outputs]);
    }

    /// Adds a convolution; one with a stride needs an image that is more than a pixel wide and high.
    pub(super) fn conv(&mut self, name: String, conv: Conv) -> Result<(), Unbuildable> {
        let Conv { outputs, kernel, stride, bias } = conv;
        if stride > 1 && self.side() < 2 {
            return Err(self.misfit(name));
        }
        let sides = self.shape[1..].iter().map(|side| side.div_ceil(stride));
        let shape = [outputs].into_iter().chain(sides).collect();
        let op = Op::Conv { inputs: self.channels(), outputs, kernel, stride, bias };
        self.push(name, op, shape);
        Ok(())
    }

    /// Adds batch norm.
    pub(super) fn norm(&mut self, name: String) {
        self.push(name, Op::BatchNorm { channels: self.channels() }, self.shape.clone());
    }

    /// Adds an activation, named after itself behind `prefix`.
    pub(super) fn activate(&mut self, prefix: &str, activation: Activation, number: u32) {
        let name = format!("{prefix}{}_{number}", activation.as_str());
        self.push(name, activation.op(), self.shape.clone());
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

    /// The last layer; empty where there is none.
    pub(super) fn mark(&self) -> Mark {
        let name = self.layers.last().map(|layer| layer.name.clone()).unwrap_or_default();
        Mark { name, shape: self.shape.clone() }
    }

    /// Lets the next layer take its input from an earlier one.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.from = Some(mark.name.clone());
        self.shape.clone_from(&mark.shape);
    }

    /// Adds an earlier layer's output, of the same shape.
    pub(super) fn add(&mut self, name: String, mark: &Mark) {
        debug_assert_eq!(self.shape, mark.shape, "{name}");
        self.push(name, Op::Add { other: mark.name.clone() }, self.shape.clone());
    }

    fn misfit(&self, layer: String) -> Unbuildable {
        Unbuildable::Shape { layer, shape: self.shape.clone() }
    }

    fn push(&mut self, name: String, op: Op, output: Vec<u32>) {
        let (from, parameters) = (self.from.take(), op.parameters());
        self.shape.clone_from(&output);
        self.layers.push(Layer { name, op, from, output, parameters });
    }
}
