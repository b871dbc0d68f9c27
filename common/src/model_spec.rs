//! What a configuration's model is: its layers, their shapes and their parameters, by arithmetic alone.

mod cnn;

mod layer;

mod mlp;

mod wanted;

pub use layer::{Layer, Op};
pub use wanted::Unbuildable;

use serde::{Deserialize, Serialize};

use crate::{hparams::Hparams, recipe::Recipe, study::ModelKind};

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
}

impl ModelSpec {
    /// The model of a family that these hyperparameters describe, for samples of this shape.
    ///
    /// Fails where a hyperparameter is missing, of the wrong kind or out of range, or where a layer is left without
    /// a pixel. The formula model has no layer.
    pub fn build(kind: ModelKind, hparams: &Hparams, shape: &DataShape) -> Result<Self, Unbuildable> {
        let layers = match kind {
            ModelKind::Mlp => mlp::layers(hparams, shape)?,
            ModelKind::Cnn => cnn::layers(hparams, shape)?,
            ModelKind::Formula => Vec::new(),
        };
        Ok(Self { layers })
    }

    /// How many numbers are trained: batch-norm scale and shift included, running statistics not.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().fold(0, |total, layer| total.saturating_add(layer.parameters))
    }
}

impl ModelKind {
    /// Whether a hyperparameter of this name means anything to the model or its training.
    pub fn knows(self, hparam: &str) -> bool {
        let numbered = |stem: &str| {
            let number: Option<u32> = hparam.strip_prefix(stem).and_then(|digits| digits.parse().ok());
            number.is_some_and(|n| n < wanted::MOST_LAYERS && hparam == format!("{stem}{n}"))
        };
        match self {
            Self::Formula => true,
            Self::Mlp | Self::Cnn => {
                let families = self.hparam_names().iter().filter_map(|name| name.strip_suffix('N'));
                Recipe::HPARAMS.contains(&hparam)
                    || (self.hparam_names().contains(&hparam) && !hparam.ends_with('N'))
                    || families.into_iter().any(numbered)
            }
        }
    }

    /// The hyperparameters that the model and its training know; `N` stands for a number. Empty for the formula,
    /// which takes anything.
    pub fn hparam_names(self) -> &'static [&'static str] {
        match self {
            Self::Mlp => &["layers", "units", "units_N", "dropout", "dropout_N", "lr"],
            Self::Cnn => &["blocks", "filters_N", "kernel", "pool", "dropout", "lr"],
            Self::Formula => &[],
        }
    }
}

#[cfg(test)]
mod tests;
