//! How a trial trains, as far as its hyperparameters do not say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How every trial of a study trains. A hyperparameter of the same name overrides a field for its trial
/// (`lr` overrides `learning_rate`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Samples a step.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Learning rate of trials whose space has no `lr`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// When a trial stops improving; never where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Threads of a trainer on a CPU. Part of the result: other thread counts add in another order.
    #[schemars(range(min = 1, max = 1_024))]
    pub threads: u32,
    /// Number format of weights and arithmetic.
    pub precision: Precision,
    /// How long an epoch of the formula trainer lasts, in seconds; other models take the time they take.
    #[schemars(range(min = 0))]
    pub epoch_seconds: f64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            batch_size: 128,
            optimizer: Optimizer::default(),
            learning_rate: 1e-3,
            early_stopping: None,
            threads: 1,
            precision: Precision::default(),
            epoch_seconds: 0.0,
        }
    }
}

/// The rule by which steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam (Kingma and Ba, 2015) with beta 0.9 and 0.999, epsilon 1e-8.
    #[default]
    Adam,
}

/// Number format of weights and arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE single precision throughout.
    #[default]
    Float32,
}

/// Ends a trial's training, not its place: its value and checkpoint stand for every later rung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// What must improve.
    #[serde(default)]
    pub monitor: Monitor,
    /// Epochs without improvement that are waited for.
    pub patience: u32,
    /// Least change that counts as an improvement.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub min_delta: f64,
}

/// What early stopping watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Training loss; lower is better.
    Loss,
    /// Validation loss; lower is better.
    #[default]
    ValLoss,
    /// Validation accuracy; higher is better.
    ValAccuracy,
}
