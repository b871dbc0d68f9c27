//! When a trial stops improving.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Whether a trial that has ended, early or at the scheduler's horizon (the most epochs, unless a study of listed
    /// trials has another), goes back to its best epoch by what is monitored: its checkpoint holds that epoch's weights,
    /// and its value is that epoch's, unless `objective.rank` is `best`. There is none where that never was a number.
    #[serde(default)]
    pub restore_best: bool,
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
