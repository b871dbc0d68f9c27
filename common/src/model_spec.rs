//! What a configuration's model is: its layers, their shapes and their parameters, by arithmetic alone.

mod layer;

mod tensors;

mod op;

mod choices;

mod wanted;

mod known;

mod stack;

mod mlp;

mod block;

mod head;

mod cnn;

mod vgg;

mod resnet;

pub use choices::{Activation, Initializer};
pub use layer::Layer;
pub use op::Op;
pub use tensors::NamedShape;
pub use wanted::Unbuildable;

use std::{cell::RefCell, collections::BTreeSet};

use serde::{Deserialize, Serialize};
use wanted::Wanted;

use crate::{hparams::Hparams, study::ModelKind};

/// The shape of a data set's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataShape {
    /// Values of a pixel.
    pub channels: u32,
    /// Rows of pixels.
    pub height: u32,
    /// Pixels of a row.
    pub width: u32,
    /// How many classes labels tell apart.
    pub classes: u32,
}

/// A model's layers, in the order in which a sample passes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The layers; their names differ.
    pub layers: Vec<Layer>,
    /// How the first weights of dense layers and convolutions are drawn.
    #[serde(skip)]
    pub initializer: Initializer,
}

impl ModelSpec {
    /// The model of a family that these hyperparameters describe, for samples of this shape.
    ///
    /// Fails where a hyperparameter is missing, of the wrong kind or out of range, or where a layer is left without
    /// a pixel. The formula model has no layer.
    pub fn build(kind: ModelKind, hparams: &Hparams, shape: &DataShape) -> Result<Self, Unbuildable> {
        Self::of(kind, Wanted { hparams, read: None }, shape)
    }

    /// The model, or why there is none, and the names of hyperparameters that were asked for on the way.
    pub(crate) fn build_reading(
        kind: ModelKind,
        hparams: &Hparams,
        shape: &DataShape,
    ) -> (Result<Self, Unbuildable>, BTreeSet<String>) {
        let read = RefCell::default();
        let built = Self::of(kind, Wanted { hparams, read: Some(&read) }, shape);
        (built, read.into_inner())
    }

    fn of(kind: ModelKind, wanted: Wanted<'_>, shape: &DataShape) -> Result<Self, Unbuildable> {
        let layers = match kind {
            ModelKind::Mlp => mlp::layers(wanted, shape)?,
            ModelKind::Cnn => cnn::layers(wanted, shape)?,
            ModelKind::Resnet => resnet::layers(wanted, shape)?,
            ModelKind::Vgg => vgg::layers(wanted, shape)?,
            ModelKind::Formula => return Ok(Self::default()),
        };
        Ok(Self { layers, initializer: wanted.choice("initializer")? })
    }

    /// How many numbers are trained: batch-norm scale and shift included, running statistics not.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().fold(0, |total, layer| total.saturating_add(layer.parameters))
    }

    /// What a sample costs in training, in proportion to other models: a guess by what its layers do.
    pub fn cost(&self) -> u64 {
        self.layers.iter().fold(0, |total, layer| total.saturating_add(layer.op.cost(&layer.output)))
    }
}

#[cfg(test)]
mod tests;
