//! What a model may choose by name: activations, initialisers, and how an image becomes a row.

use super::Op;

/// Something that hyperparameters choose by name.
pub(super) trait Choice: Copy + Sized + 'static {
    /// All that can be chosen, by name.
    const NAMED: &'static [(&'static str, Self)];
}

/// The function between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// [`Op::Relu`].
    #[default]
    Relu,
    /// [`Op::Gelu`].
    Gelu,
    /// [`Op::Silu`].
    Silu,
    /// [`Op::Tanh`].
    Tanh,
    /// [`Op::Elu`].
    Elu,
    /// [`Op::LeakyRelu`].
    LeakyRelu,
}

impl Activation {
    /// Its name in hyperparameters, which also begins its layers' names.
    pub fn as_str(self) -> &'static str {
        Self::NAMED.iter().find(|(_, other)| *other == self).map_or("relu", |(name, _)| name)
    }

    /// The layer that applies it.
    pub(super) fn op(self) -> Op {
        match self {
            Self::Relu => Op::Relu,
            Self::Gelu => Op::Gelu,
            Self::Silu => Op::Silu,
            Self::Tanh => Op::Tanh,
            Self::Elu => Op::Elu,
            Self::LeakyRelu => Op::LeakyRelu,
        }
    }
}

impl Choice for Activation {
    const NAMED: &'static [(&'static str, Self)] = &[
        ("relu", Self::Relu),
        ("gelu", Self::Gelu),
        ("silu", Self::Silu),
        ("tanh", Self::Tanh),
        ("elu", Self::Elu),
        ("leaky_relu", Self::LeakyRelu),
    ];
}

/// How first weights are drawn. *In* and *out* are the values that come into and go out of one place of a layer: for
/// a convolution, channels times the kernel's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Initializer {
    /// Uniform in ±√(6 / (in + out)) (Glorot and Bengio, 2010).
    #[default]
    GlorotUniform,
    /// Normal with variance 2 / (in + out) (Glorot and Bengio, 2010).
    GlorotNormal,
    /// Uniform in ±√(6 / in) (He et al., 2015).
    HeUniform,
    /// Normal with variance 2 / in (He et al., 2015).
    HeNormal,
    /// Uniform in ±√(3 / in) (LeCun et al., 1998).
    LecunUniform,
    /// Normal with variance 1 / in (LeCun et al., 1998).
    LecunNormal,
}

impl Choice for Initializer {
    const NAMED: &'static [(&'static str, Self)] = &[
        ("glorot_uniform", Self::GlorotUniform),
        ("glorot_normal", Self::GlorotNormal),
        ("he_uniform", Self::HeUniform),
        ("he_normal", Self::HeNormal),
        ("lecun_uniform", Self::LecunUniform),
        ("lecun_normal", Self::LecunNormal),
    ];
}

/// How an image becomes the row that dense layers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Head {
    /// All values side by side.
    #[default]
    Flatten,
    /// Each channel's mean.
    Average,
}

impl Choice for Head {
    const NAMED: &'static [(&'static str, Self)] = &[("flatten", Self::Flatten), ("average", Self::Average)];
}
