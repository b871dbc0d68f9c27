//! The hyperparameters that a model asks for.

use crate::hparams::{Hparams, Scalar};

/// One more than the greatest number of layers, blocks or numbered hyperparameters.
pub(super) const MOST_LAYERS: u32 = 100;

/// The greatest width of a layer.
pub(super) const WIDEST: i64 = 65_536;

/// Why hyperparameters describe no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unbuildable {
    /// A hyperparameter that the model needs is not there.
    #[error("the model needs `{0}`")]
    Missing(String),
    /// A hyperparameter has a value that the model cannot use.
    #[error("the model cannot use {name}={value}: {expected} is expected")]
    Unusable {
        /// The hyperparameter.
        name: String,
        /// Its value.
        value: Scalar,
        /// What the model could use.
        expected: String,
    },
    /// A layer would get an image without pixels, or one of too many.
    #[error("layer `{layer}` cannot take the shape {shape:?}")]
    Shape {
        /// The layer.
        layer: String,
        /// The shape it would get.
        shape: Vec<u32>,
    },
}

/// A whole number from `least` to `most`.
pub(super) fn whole(hparams: &Hparams, name: &str, least: i64, most: i64) -> Result<u32, Unbuildable> {
    let value = hparams.get(name).ok_or_else(|| Unbuildable::Missing(name.to_owned()))?;
    match *value {
        Scalar::Int(number) if (least..=most).contains(&number) => Ok(number as u32),
        _ => Err(Unbuildable::Unusable {
            name: name.to_owned(),
            value: value.clone(),
            expected: format!("a whole number from {least} to {most}"),
        }),
    }
}

/// A dropout rate; 0 where it is left out.
pub(super) fn dropout(hparams: &Hparams, name: &str) -> Result<f64, Unbuildable> {
    let Some(value) = hparams.get(name) else {
        return Ok(0.0);
    };
    match value.as_f64() {
        Some(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
        _ => Err(Unbuildable::Unusable {
            name: name.to_owned(),
            value: value.clone(),
            expected: "a rate from 0 to below 1".to_owned(),
        }),
    }
}
