//! The rules by which steps are taken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rule by which steps are taken; constants that are not fields are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam (Kingma and Ba, 2015) with beta 0.9 and 0.999, epsilon 1e-8; decay is added to the gradient.
    #[default]
    Adam,
    /// Adam whose weights decay by themselves (Loshchilov and Hutter, 2019).
    Adamw,
    /// Gradient descent with Nesterov's momentum (Sutskever et al., 2013); decay is added to the gradient.
    Sgd,
    /// RMSprop (Tieleman and Hinton, 2012) with alpha 0.99, epsilon 1e-8; decay is added to the gradient.
    Rmsprop,
}

impl Optimizer {
    /// All rules.
    pub const ALL: [Self; 4] = [Self::Adam, Self::Adamw, Self::Sgd, Self::Rmsprop];

    /// The rule's name in study files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Adamw => "adamw",
            Self::Sgd => "sgd",
            Self::Rmsprop => "rmsprop",
        }
    }
}
