//! How a trial trains, as far as its hyperparameters do not say.

mod augment;

mod early_stopping;

mod initial_weights;

mod optimizer;

mod schedule;

pub use augment::{Augment, AugmentName};
pub use early_stopping::{EarlyStopping, Monitor};
pub use initial_weights::{Freeze, InitialWeights};
pub use optimizer::Optimizer;
pub use schedule::Schedule;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpecError;
use crate::{checkpoint::Digest, model_spec::DataShape, recipe::Recipe};

/// How every trial of a study trains. A hyperparameter of the same name overrides a field for its trial
/// (`lr` overrides `learning_rate`); see [`crate::recipe::Recipe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Samples a step.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Learning rate of trials whose space has no `lr`; where a schedule moves it, its greatest value.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Share of the last step that an `sgd` step keeps, by Nesterov's rule; other optimizers have none.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub momentum: f64,
    /// How much of each weight decays with a step, in units of the learning rate. Biases and batch norm do not decay.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// How the learning rate moves from step to step, up to the study's most epochs.
    pub schedule: Schedule,
    /// Epochs over which the learning rate rises from 0, before and besides the schedule.
    #[schemars(range(min = 0))]
    pub warmup: f64,
    /// Share of the target that is spread evenly over all classes (Szegedy et al., 2016).
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub label_smoothing: f64,
    /// Gradients longer than this are shortened to it; never where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_norm: Option<f64>,
    /// How training images are changed at random: a name, or what is done written out.
    pub augment: Augment,
    /// Whether weights are averaged over steps; what is validated, stored and exported is the average.
    pub average: Average,
    /// Decay of the running average of weights, once enough steps are taken to fill it.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub average_decay: f64,
    /// Whether an evaluation averages each image's probabilities with those of its mirror image.
    pub flip_averaging: bool,
    /// Pixels that images are shifted by, up, down, left and right, for what a trained model answers: its probabilities are
    /// the mean over these and the image itself. An epoch's validation leaves it out: it would take five times as long.
    pub shift_averaging: u32,
    /// The stored weights that trials begin with (`rung model add`); drawn where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<InitialWeights>,
    /// When a trial stops improving; never where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Threads of a trainer on a CPU. Part of the result: other thread counts add in another order.
    #[schemars(range(min = 1, max = 1_024))]
    pub threads: u32,
    /// Number format of products and of what passes between layers.
    pub precision: Precision,
    /// How long an epoch of the formula trainer lasts, in seconds; other models take the time they take.
    #[schemars(range(min = 0))]
    pub epoch_seconds: f64,
}

impl TrainSpec {
    /// The most that [`floats_of_state`](Self::floats_of_state) says.
    pub const MOST_FLOATS_OF_STATE: u64 = 5;

    /// How many numbers a checkpoint's state has for each of a model's: the optimizer's sums, a running average and the best
    /// epoch's weights, and with one of these the weights that training goes on with.
    pub fn floats_of_state(&self, recipe: &Recipe) -> u64 {
        let sums = match recipe.optimizer {
            Optimizer::Adam | Optimizer::Adamw => 2,
            Optimizer::Sgd | Optimizer::Rmsprop => 1,
        };
        let average = recipe.average == Average::Ema;
        let best = self.early_stopping.is_some_and(|rule| rule.restore_best);
        sums + u64::from(average) + u64::from(best) + u64::from(average || best)
    }

    /// The object in the cluster's store that trials begin with, once it is recorded.
    pub fn initial_object(&self) -> Option<Digest> {
        self.initial_weights.as_ref()?.digest
    }

    /// Fails where shifts leave nothing of images of a shape.
    pub fn check_shift(&self, shape: &DataShape) -> Result<(), SpecError> {
        let (shift, side) = (self.shift_averaging, shape.height.min(shape.width));
        if shift == 0 || shift < side {
            return Ok(());
        }
        Err(SpecError::new(format!(
            "`shift_averaging` {shift} shifts everything out of an image of side {side}: use less, usually 1"
        )))
    }

    /// Whether a trial's backbone stays as it began.
    pub fn freezes_backbone(&self) -> bool {
        self.initial_weights.as_ref().is_some_and(|weights| weights.freeze == Freeze::Backbone)
    }
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            batch_size: 128,
            optimizer: Optimizer::default(),
            learning_rate: 1e-3,
            momentum: 0.9,
            weight_decay: 0.0,
            schedule: Schedule::default(),
            warmup: 0.0,
            label_smoothing: 0.0,
            clip_norm: None,
            augment: Augment::default(),
            average: Average::default(),
            average_decay: 0.999,
            flip_averaging: false,
            shift_averaging: 0,
            initial_weights: None,
            early_stopping: None,
            threads: 1,
            precision: Precision::default(),
            epoch_seconds: 0.0,
        }
    }
}

/// Whether weights are averaged over steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// The weights as the last step left them.
    #[default]
    None,
    /// An exponential running average; after step `t` its decay is at most `(1 + t) / (10 + t)`.
    Ema,
}

/// Number format of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE single precision throughout.
    #[default]
    Float32,
    /// Products, and what passes between layers but in an MLP of ReLU layers without batch norm, in bfloat16; sums within
    /// products, weights, their gradients and the optimizer in single precision. Fast where the processor has it.
    Bfloat16,
}
