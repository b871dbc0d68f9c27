//! Which hyperparameters mean something.

use super::{
    Activation, Initializer,
    choices::{Choice, Head},
    cnn, mlp, resnet, vgg,
    wanted::MOST_LAYERS,
};
use crate::{recipe::Recipe, study::ModelKind};

impl ModelKind {
    /// Whether a hyperparameter of this name means anything to the model or its training.
    pub fn knows(self, hparam: &str) -> bool {
        let numbered = |stem: &str| {
            let number: Option<u32> = hparam.strip_prefix(stem).and_then(|digits| digits.parse().ok());
            let range = self.first_number()..MOST_LAYERS;
            number.is_some_and(|n| range.contains(&n) && hparam == format!("{stem}{n}"))
        };
        self == Self::Formula
            || self.hparam_names().iter().any(|name| match name.strip_suffix('N') {
                Some(stem) => numbered(stem),
                None => *name == hparam,
            })
    }

    /// The number of the first layer or block: an MLP's hidden layers count from 0, blocks from 1.
    pub fn first_number(self) -> u32 {
        u32::from(self != Self::Mlp)
    }

    /// Whether a hyperparameter decides which tensors the model has.
    pub fn shapes(self, hparam: &str) -> bool {
        const OTHERS: [&str; 4] = ["activation", "initializer", "dropout", "dense_dropout"];
        let other = OTHERS.contains(&hparam) || hparam.starts_with("dropout_");
        self != Self::Formula && !other && !Recipe::HPARAMS.contains(&hparam)
    }

    /// The hyperparameters that the model and its training know; `N` stands for a number. Empty for the formula,
    /// which takes anything.
    pub fn hparam_names(self) -> Vec<&'static str> {
        let own = match self {
            Self::Mlp => mlp::HPARAMS,
            Self::Cnn => cnn::HPARAMS,
            Self::Resnet => resnet::HPARAMS,
            Self::Vgg => vgg::HPARAMS,
            Self::Formula => return Vec::new(),
        };
        own.iter().chain(Recipe::HPARAMS).copied().collect()
    }

    /// What a hyperparameter chooses from by name; none where it is something else.
    pub fn hparam_choices(self, hparam: &str) -> Option<Vec<&'static str>> {
        fn names<T: Choice>() -> Option<Vec<&'static str>> {
            Some(T::NAMED.iter().map(|(name, _)| *name).collect())
        }
        match hparam {
            _ if self == Self::Formula => None,
            "activation" => names::<Activation>(),
            "initializer" => names::<Initializer>(),
            "head" => names::<Head>(),
            _ => None,
        }
    }
}
