//! A trial's states, as users, rows and messages name them.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// May be leased: new, promoted, or handed back.
    Pending,
    /// Leased to a worker.
    Running,
    /// Waits at a rung for the others; keeps its checkpoint.
    Paused,
    /// Was not promoted; final.
    Stopped,
    /// Reached the end of its bracket; final.
    Completed,
    /// Failed three times, lost five leases in a row without a new epoch, or has an objective that is not finite; final.
    Failed,
}

impl TrialState {
    /// All states, in the order in which a trial passes them.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Paused, Self::Stopped, Self::Completed, Self::Failed];

    /// The state's name in output, storage and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether a trial stays in this state for ever.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Completed | Self::Failed)
    }
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no trial state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no trial state: use pending, running, paused, stopped, completed or failed")]
pub struct UnknownState(String);

impl FromStr for TrialState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}
