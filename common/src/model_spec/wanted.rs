//! The hyperparameters that a model asks for.

use std::{cell::RefCell, collections::BTreeSet};

use super::choices::Choice;
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

/// Whole numbers from the first to the second, both included.
pub(super) type Range = (i64, i64);

/// Hyperparameters as a model reads them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) hparams: &'a Hparams,
    /// Where names that are asked for are noted, whether they are there or not; drawing trials has no need of it.
    pub(super) read: Option<&'a RefCell<BTreeSet<String>>>,
}

impl Wanted<'_> {
    /// A whole number.
    pub(super) fn whole(self, name: &str, (least, most): Range) -> Result<u32, Unbuildable> {
        match *self.value(name)? {
            Scalar::Int(number) if (least..=most).contains(&number) => Ok(number as u32),
            _ => self.unusable(name, format!("a whole number from {least} to {most}")),
        }
    }

    /// A whole number, `default` where it is left out.
    pub(super) fn whole_or(self, name: &str, default: u32, range: Range) -> Result<u32, Unbuildable> {
        if self.has(name) { self.whole(name, range) } else { Ok(default) }
    }

    /// A number of layers or blocks, at least `least`.
    pub(super) fn count(self, name: &str, default: u32, least: u32) -> Result<u32, Unbuildable> {
        self.whole_or(name, default, (least.into(), i64::from(MOST_LAYERS) - 1))
    }

    /// A kernel's side: odd, so that the padding is even.
    pub(super) fn kernel(self, name: &str) -> Result<u32, Unbuildable> {
        let kernel = self.whole(name, (1, 999))?;
        if kernel % 2 == 1 { Ok(kernel) } else { self.unusable(name, "an odd number".to_owned()) }
    }

    /// A dropout rate; 0 where it is left out.
    pub(super) fn rate(self, name: &str) -> Result<f64, Unbuildable> {
        if !self.has(name) {
            return Ok(0.0);
        }
        match self.value(name)?.as_f64() {
            Some(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
            _ => self.unusable(name, "a rate from 0 to below 1".to_owned()),
        }
    }

    /// A switch, `default` where it is left out.
    pub(super) fn switch(self, name: &str, default: bool) -> Result<bool, Unbuildable> {
        match self.get(name) {
            None => Ok(default),
            Some(Scalar::Bool(switch)) => Ok(*switch),
            Some(_) => self.unusable(name, "true or false".to_owned()),
        }
    }

    /// Something that is chosen by name, its type's default where it is left out.
    pub(super) fn choice<T: Choice + Default>(self, name: &str) -> Result<T, Unbuildable> {
        let Some(value) = self.get(name) else { return Ok(T::default()) };
        let chosen = T::NAMED.iter().find(|(known, _)| *value == Scalar::Text((*known).to_owned()));
        match chosen {
            Some((_, chosen)) => Ok(*chosen),
            None => {
                let names: Vec<_> = T::NAMED.iter().map(|(name, _)| *name).collect();
                self.unusable(name, format!("one of {}", names.join(", ")))
            }
        }
    }

    /// The name of a layer's own hyperparameter, or of the one for all layers where only that is there.
    pub(super) fn own_or_common(self, stem: &str, number: u32) -> String {
        let own = format!("{stem}_{number}");
        if !self.has(&own) && self.has(stem) { stem.to_owned() } else { own }
    }

    /// The name of a layer's own hyperparameter where that is there, and else of the one for all layers.
    pub(super) fn own_if_there(self, stem: &str, number: u32) -> String {
        let own = format!("{stem}_{number}");
        if self.has(&own) { own } else { stem.to_owned() }
    }

    /// Whether a hyperparameter is there.
    pub(super) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Scalar> {
        if let Some(read) = self.read {
            read.borrow_mut().insert(name.to_owned());
        }
        self.hparams.get(name)
    }

    fn value(&self, name: &str) -> Result<&Scalar, Unbuildable> {
        self.get(name).ok_or_else(|| Unbuildable::Missing(name.to_owned()))
    }

    fn unusable<T>(self, name: &str, expected: String) -> Result<T, Unbuildable> {
        let value = self.value(name)?.clone();
        Err(Unbuildable::Unusable { name: name.to_owned(), value, expected })
    }
}
