use common::{hparams::Hparams, ids::TrialNumber, view::TrialView};
use serde::Serialize;

/// What a trial tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Configuration {
    pub(super) trial: TrialNumber,
    pub(super) bracket: u32,
    /// Epochs that it trained for.
    pub(super) epochs: u32,
    /// Its last result; none where it has none, or one that is not finite.
    pub(super) value: Option<f64>,
    pub(super) hparams: Hparams,
}

impl Configuration {
    /// A trial's.
    pub(super) fn new(trial: &TrialView) -> Self {
        Self {
            trial: trial.trial,
            bracket: trial.bracket,
            epochs: trial.epochs,
            value: trial.value.filter(|value| value.is_finite()),
            hparams: trial.hparams.clone(),
        }
    }
}
