//! What a study is: its data, model, space, scheduler, budget and seed.
//!
//! [`StudySpec`] is parsed once, from a study file ([`StudySpec::from_yaml`]), and holds ever after; it is stored as
//! the study's first event and sent to workers as it is.

mod data_spec;

mod constraints;

mod scheduler_spec;

mod fixed_trial;

mod train_spec;

mod file;

mod document;

mod schema;

mod start;

mod check;

mod spec_error;

pub use constraints::{Bounds, Constraints, InvalidBounds};
pub use data_spec::{DataFacts, DataKind, DataSpec, Input, Split};
pub use fixed_trial::{FixedTrial, TrainedTrial};
pub use scheduler_spec::{Evaluate, Hyperband, PromotionMode, Rank, Rounding, Sampler, SchedulerSpec, Sizes};
pub use spec_error::{Place, SpecError};
pub use train_spec::{
    Augment, AugmentName, Average, EarlyStopping, Freeze, InitialWeights, Monitor, Optimizer, Precision,
    Schedule, TrainSpec,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::LARGEST_OBJECT,
    hparams::Hparams,
    ids::{StudyId, StudyName, TrialNumber},
    metrics::{Goal, Metric},
    model_spec::ModelSpec,
    recipe::Recipe,
    space::SearchSpace,
};

/// Everything that decides a study's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rung study")]
pub struct StudySpec {
    /// What people call the study.
    pub name: StudyName,
    /// The samples to train on; a data set's name alone will do.
    #[serde(default, deserialize_with = "data_spec::name_or_mapping")]
    #[schemars(with = "data_spec::NameOrMapping")]
    pub data: DataSpec,
    /// The family of models that hyperparameters are for.
    pub model: ModelKind,
    /// The parameters that are searched: a named space, or written out.
    #[serde(default)]
    pub space: SearchSpace,
    /// What a configuration must satisfy to be tried.
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
    /// What is better.
    #[serde(default)]
    pub objective: Objective,
    /// Which trials train for how long.
    #[serde(default)]
    pub scheduler: SchedulerSpec,
    /// Where configurations come from.
    #[serde(default)]
    pub sampler: Sampler,
    /// How a trial trains.
    #[serde(default)]
    pub train: TrainSpec,
    /// When to end early.
    #[serde(default)]
    pub budget: Budget,
    /// Which checkpoints are measured on the validation and the test part once training is over.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// The study that this one was made from: an ensemble's tuned study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StudyId>,
    /// The study's seed: of its draws, its order of samples and, with a trial's number, of every trial. At most
    /// 2^53 - 1, so that every JSON reader keeps it.
    #[serde(default)]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
}

impl StudySpec {
    /// Whether a configuration may be tried: its model can be built and satisfies the constraints. Where the data's
    /// shape is not known, nothing can be said against it.
    pub fn admits(&self, hparams: &Hparams) -> bool {
        let Some(shape) = self.data.shape() else {
            return true;
        };
        ModelSpec::build(self.model, hparams, &shape)
            .is_ok_and(|model| self.constraints.admit(&model) && self.fits(&model, hparams))
    }

    /// Whether a model's checkpoints can be stored.
    pub(crate) fn fits(&self, model: &ModelSpec, hparams: &Hparams) -> bool {
        // Names and shapes stand before the numbers.
        const HEADER: u64 = 8 << 20;
        let most = (LARGEST_OBJECT - HEADER) / 4;
        // Nearly every model: its recipe need not be read.
        model.parameters() <= most / TrainSpec::MOST_FLOATS_OF_STATE
            || Recipe::of(&self.train, hparams).is_ok_and(|recipe| {
                model.parameters().saturating_mul(self.train.floats_of_state(&recipe)) <= most
            })
    }

    /// The seed of a trial's order of samples: the study's, unless its list says otherwise.
    pub fn data_seed(&self, trial: TrialNumber) -> u64 {
        let listed = self.scheduler.listed().get(trial.0 as usize);
        listed.and_then(|listed| listed.data_seed).unwrap_or(self.seed)
    }

    /// Whether the trials are members of an ensemble of the parent study, which vote.
    pub fn is_ensemble(&self) -> bool {
        self.parent.is_some() && self.evaluate == Evaluate::All
    }

    /// Whether the trials were trained in the parent study, so that they are only evaluated here.
    pub fn is_adopted(&self) -> bool {
        let trials = self.scheduler.listed();
        !trials.is_empty() && trials.iter().all(|trial| trial.trained.is_some())
    }

    /// Whether two studies ask for the same; what their data and initial weights are counts where both have recorded
    /// it.
    pub fn agrees(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|study| study.train.initial_weights.as_ref());
        let weights = match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours.agrees(theirs),
            _ => ours == theirs,
        };
        let train = TrainSpec { initial_weights: ours.cloned(), ..other.train.clone() };
        let same = Self { data: self.data.clone(), train, ..other.clone() };
        self.data.agrees(&other.data) && weights && *self == same
    }

    /// The study with what its data set's name means; all that a study file is checked for is checked with it.
    ///
    /// The formula has no samples, so what a known name means is not recorded for it.
    pub fn on(mut self, facts: DataFacts) -> Result<Self, SpecError> {
        if self.model != ModelKind::Formula || !self.data.is_known() {
            self.data.facts = Some(facts);
        }
        match check::flaw(&self) {
            Some(flaw) => Err(flaw.error),
            None => Ok(self),
        }
    }
}

/// The family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Dense layers with batch norm, an activation and dropout.
    Mlp,
    /// Convolutional blocks with batch norm and dropout, and a dense head.
    Cnn,
    /// Residual blocks of two convolutions with batch norm, and one dense layer.
    Resnet,
    /// Blocks of equal convolutions, twice as wide from block to block, and a dense head.
    Vgg,
    /// No model: a closed formula of hyperparameters and epoch, for tests, drills and demonstrations of faults.
    Formula,
}

impl ModelKind {
    /// All families.
    pub const ALL: [Self; 5] = [Self::Mlp, Self::Cnn, Self::Resnet, Self::Vgg, Self::Formula];

    /// The family's name in study files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mlp => "mlp",
            Self::Cnn => "cnn",
            Self::Resnet => "resnet",
            Self::Vgg => "vgg",
            Self::Formula => "formula",
        }
    }
}

/// The metric that ranks trials, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What is measured.
    #[serde(default)]
    pub metric: Metric,
    /// Whether more is better; the metric's own direction where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Which of a trial's epochs counts.
    #[serde(default)]
    pub rank: Rank,
}

impl Objective {
    /// The direction in which values are better.
    pub fn goal(&self) -> Goal {
        self.goal.unwrap_or_else(|| self.metric.natural_goal())
    }
}

/// Limits that end a study before its plan does.
///
/// `max_trials` and `total_epochs` cut the plan before the start, so the result stays independent of timing;
/// `max_time` and `target` stop the study while it runs, and the result says that it is not complete.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Most trials to start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_trials: Option<u32>,
    /// Most epochs to train, all trials together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub total_epochs: Option<u64>,
    /// Longest active time in seconds, pauses and downtime excluded. Study files may write `90s`, `5m`, `2h`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::duration::seconds")]
    #[schemars(with = "Option<crate::duration::Text>")]
    pub max_time: Option<f64>,
    /// Stop as soon as a rung's result is at least this good; its trial is then the best, whatever rung it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
}
