//! What must not differ.

use common::{checkpoint::Digest, hparams::Hparams, ids::TrialNumber, trial::TrialState, view::TrialView};

/// One row of a study's result: everything that must not depend on workers, faults or time.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The trial's number.
    pub trial: TrialNumber,
    /// Its bracket.
    pub bracket: u32,
    /// The rung it ended on.
    pub rung: u32,
    /// Epochs trained.
    pub epochs: u32,
    /// How it ended.
    pub state: TrialState,
    /// The bits of its objective's value.
    pub value: Option<u64>,
    /// What it trained with.
    pub hparams: Hparams,
    /// The digest of its weights.
    pub weights: Option<Digest>,
}

impl Row {
    /// The row of a trial.
    pub(super) fn of(trial: TrialView) -> Self {
        Self {
            trial: trial.trial,
            bracket: trial.bracket,
            rung: trial.rung,
            epochs: trial.epochs,
            state: trial.state,
            value: trial.value.map(f64::to_bits),
            hparams: trial.hparams,
            weights: trial.checkpoint.map(|checkpoint| checkpoint.weights),
        }
    }
}
