//! Search spaces: which hyperparameters exist, which values each takes, and when.
//!
//! Parameters stand in an order. A condition refers to an earlier parameter, so a draw, a count and an enumeration
//! all go through the parameters once.

mod comparison;

mod condition;

mod domain;

mod named;

mod points;

mod written;

pub use comparison::Comparison;
pub use condition::{Condition, InvalidCondition, Test};
pub use domain::Domain;

use crate::{hparams::Hparams, random::Words, study::ModelKind};

/// The parameters of a search, in the order in which they are drawn.
///
/// In study files it is a name ([`SearchSpace::NAMES`]), or the parameters written out; it is always stored written
/// out, so that a stored study means the same for ever. The default has no parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchSpace {
    /// Names differ, and every condition refers to an earlier parameter.
    pub parameters: Vec<Parameter>,
}

/// One hyperparameter of a space.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name: letters, digits and `_`, not starting with a digit.
    pub name: String,
    /// The values it may take.
    pub domain: Domain,
    /// When it is active; always where it is left out.
    pub when: Option<Condition>,
}

impl Parameter {
    /// Whether the parameter is active, given the values of the parameters before it.
    pub fn is_active(&self, earlier: &Hparams) -> bool {
        self.when.as_ref().is_none_or(|condition| condition.holds(earlier))
    }
}

/// A space that makes no sense; says which parameter and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSpace(String);

impl SearchSpace {
    /// The names that [`SearchSpace::named`] knows.
    pub const NAMES: &[&str] = &["mlp", "mlp-tied", "mlp-best", "cnn", "cnn-all", "resnet", "vgg"];

    /// A space by its name.
    pub fn named(name: &str) -> Option<Self> {
        named::named(name)
    }

    /// A space of these parameters, checked.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self, InvalidSpace> {
        for (i, parameter) in parameters.iter().enumerate() {
            parameter.check(&parameters[..i])?;
        }
        Ok(Self { parameters })
    }

    /// The first family of models that has all of the parameters; none where no family does. The formula, which has any,
    /// does not count.
    pub(crate) fn model(&self) -> Option<ModelKind> {
        let knows_all =
            |model: &ModelKind| self.parameters.iter().all(|parameter| model.knows(&parameter.name));
        ModelKind::ALL.into_iter().filter(|model| *model != ModelKind::Formula).find(knows_all)
    }

    /// Whether there is no parameter at all.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// One configuration: parameters in order, those that are not active left out, each uniform over its own
    /// values (uniform in the logarithm where it says so).
    pub fn draw(&self, words: &mut Words) -> Hparams {
        self.draw_around(&Hparams::default(), words)
    }

    /// One configuration with some values that are given, where their parameters are active; the others are drawn.
    pub fn draw_around(&self, given: &Hparams, words: &mut Words) -> Hparams {
        let mut drawn = Hparams::default();
        for parameter in &self.parameters {
            if parameter.is_active(&drawn) {
                let value = match given.get(&parameter.name) {
                    Some(value) => parameter.domain.typed(value),
                    None => parameter.domain.draw(words),
                };
                drawn.0.insert(parameter.name.clone(), value);
            }
        }
        drawn
    }

    /// How many distinct configurations there are, counting active parameters only.
    ///
    /// None where a parameter is continuous, or where the number has more than 128 bits.
    pub fn points(&self) -> Option<u128> {
        points::count(&self.parameters)
    }

    /// The configuration at an index below [`SearchSpace::points`]; different indices give different
    /// configurations.
    ///
    /// Indices beyond wrap round. Where points cannot be counted it is the empty configuration.
    pub fn point(&self, index: u128) -> Hparams {
        points::point(&self.parameters, index)
    }
}

impl Parameter {
    /// Whether the parameter makes sense after those before it.
    fn check(&self, earlier: &[Self]) -> Result<(), InvalidSpace> {
        let plain = self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain
            || self.name.len() > 64
            || !self.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            return Err(InvalidSpace(format!(
                "`{}` is no parameter name: use letters, digits and _",
                self.name
            )));
        }
        if earlier.iter().any(|parameter| parameter.name == self.name) {
            return Err(InvalidSpace(format!("parameter `{}` is defined twice", self.name)));
        }
        let named = |flaw: String| InvalidSpace(format!("parameter `{}`: {flaw}", self.name));
        self.domain.check().map_err(named)?;
        match &self.when {
            Some(condition) => condition.check(earlier).map_err(named),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
