//! Which trials train for how long, and where their configurations come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FixedTrial;
use crate::hparams::Hparams;

/// The schedule of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SchedulerSpec {
    /// Hyperband (Li et al., JMLR 18(185), 2018): brackets of successive halving.
    Hyperband(Hyperband),
    /// Listed configurations, each trained to the same number of epochs.
    Fixed {
        /// Epochs that each trial trains for.
        #[schemars(range(min = 1, max = 100_000))]
        epochs: u32,
        /// The epoch at which learning-rate schedules end; `epochs` where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 100_000))]
        horizon: Option<u32>,
        /// The trials, in the order of their numbers.
        #[schemars(length(min = 1))]
        trials: Vec<FixedTrial>,
    },
}

impl Default for SchedulerSpec {
    fn default() -> Self {
        Self::Hyperband(Hyperband::default())
    }
}

impl SchedulerSpec {
    /// Most epochs that one trial trains for.
    pub fn max_epochs(&self) -> u32 {
        match self {
            Self::Hyperband(hyperband) => hyperband.max_epochs,
            Self::Fixed { epochs, .. } => *epochs,
        }
    }

    /// The epoch at which learning-rate schedules end: a study's, never a rung's.
    pub fn horizon(&self) -> u32 {
        match self {
            Self::Hyperband(hyperband) => hyperband.max_epochs,
            Self::Fixed { epochs, horizon, .. } => horizon.unwrap_or(*epochs),
        }
    }

    /// The listed trials; none where trials are drawn.
    pub fn listed(&self) -> &[FixedTrial] {
        match self {
            Self::Hyperband(_) => &[],
            Self::Fixed { trials, .. } => trials,
        }
    }
}

/// Hyperband's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hyperband {
    /// R: most epochs that one trial trains for.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_epochs: u32,
    /// One in eta is promoted.
    #[schemars(range(min = 2))]
    pub eta: u32,
    /// Which sizes of brackets and rungs.
    pub sizes: Sizes,
    /// How a rung's epochs are rounded; no effect on `sizes: keras`.
    pub rounding: Rounding,
    /// Whether promotions wait for the whole rung.
    pub mode: PromotionMode,
    /// How often all brackets are run, with new trials each time.
    #[schemars(range(min = 1, max = 1_000))]
    pub iterations: u32,
    /// Fewest epochs of a bracket's first rung: brackets that would begin below it are left out, and the others have the sizes
    /// that they have in a Hyperband without those.
    #[schemars(range(min = 1))]
    pub min_epochs: u32,
}

impl Default for Hyperband {
    fn default() -> Self {
        Self {
            max_epochs: 81,
            eta: 3,
            sizes: Sizes::default(),
            rounding: Rounding::default(),
            mode: PromotionMode::default(),
            iterations: 1,
            min_epochs: 1,
        }
    }
}

/// Whose arithmetic sizes brackets and rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sizes {
    /// Algorithm 1 of the paper.
    #[default]
    Algorithm1,
    /// The paper's own Table 1, as HpBandSter, DEHB and Oríon have it.
    Table1,
    /// Keras Tuner's.
    Keras,
}

/// How a rung's epochs are rounded where R / eta^k is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Down, at least 1.
    #[default]
    Floor,
    /// Up; the total may exceed the paper's bound.
    Ceil,
}

/// When a rung promotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromotionMode {
    /// As soon as a promotion is certain; promotes the same trials as `barrier`.
    #[default]
    Early,
    /// When the whole rung has ended.
    Barrier,
}

/// Which of a trial's epochs ranks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The rung's last epoch.
    #[default]
    Last,
    /// The best epoch so far.
    Best,
}

/// Where configurations come from.
///
/// Both take a list of those that are tried first, such as one that is known to be good: the first trials have them, in
/// their order. A parameter that one of them leaves out is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampler {
    /// Independent draws, distinct from all earlier ones while the space allows it.
    Random {
        /// Tried before anything is drawn.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        first: Vec<Hparams>,
    },
    /// Every point once, in an order shuffled by the seed.
    Grid {
        /// Tried before all other points.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        first: Vec<Hparams>,
    },
}

impl Sampler {
    /// Values of the configurations that are tried first, in their order.
    pub fn first(&self) -> &[Hparams] {
        let (Self::Random { first } | Self::Grid { first }) = self;
        first
    }

    /// Whether every point is tried once.
    pub fn is_grid(&self) -> bool {
        matches!(self, Self::Grid { .. })
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::Random { first: Vec::new() }
    }
}

/// Which checkpoints are measured on the validation and the test part once training is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evaluate {
    /// The best one alone: the test part is touched once.
    #[default]
    Best,
    /// That of every completed trial, as ensembles and repeats need.
    All,
}
