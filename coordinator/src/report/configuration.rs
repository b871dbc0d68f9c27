use common::{hparams::Hparams, ids::TrialNumber, trial::TrialState, view::TrialView};
use serde::Serialize;

/// What a trial tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Configuration {
    pub(super) trial: TrialNumber,
    pub(super) bracket: u32,
    pub(super) state: TrialState,
    /// Epochs that it trained for.
    pub(super) epochs: u32,
    /// Its last result; none where it has none, or one that is not finite.
    pub(super) value: Option<f64>,
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
    pub(super) hparams: Hparams,
}

impl Configuration {
    /// A trial's.
    pub(super) fn new(trial: &TrialView) -> Self {
        Self {
            trial: trial.trial,
            bracket: trial.bracket,
            state: trial.state,
            epochs: trial.epochs,
            value: trial.value.filter(|value| value.is_finite()),
            failure: trial.failure.clone(),
            hparams: trial.hparams.clone(),
        }
    }
}
