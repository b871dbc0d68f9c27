//! One trial of a fixed schedule: what it trains with, or where it was trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{Checkpoint, Digest},
    hparams::Hparams,
    ids::TrialNumber,
};

/// One trial of a fixed schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedTrial {
    /// What it trains with.
    pub hparams: Hparams,
    /// Its own seed; derived from the study's seed and its number where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub seed: Option<u64>,
    /// The seed of its order of samples; the study's seed where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub data_seed: Option<u64>,
    /// Where the parent study has trained it: then it is only evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained: Option<TrainedTrial>,
}

impl FixedTrial {
    /// A trial that trains, with seeds derived from the study's.
    pub fn new(hparams: Hparams) -> Self {
        Self { hparams, seed: None, data_seed: None, trained: None }
    }
}

/// A trial of the parent study, as far as an ensemble takes it over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainedTrial {
    /// Its number in the parent study.
    pub trial: TrialNumber,
    /// Its objective's value there.
    pub value: f64,
    /// Epochs trained when its checkpoint was taken.
    #[schemars(range(min = 1, max = 100_000))]
    pub epoch: u32,
    /// Digest of the checkpoint's parameters and buffers.
    #[schemars(with = "String")]
    pub weights: Digest,
    /// Digest of the checkpoint's optimizer state and counters.
    #[schemars(with = "String")]
    pub state: Digest,
}

impl TrainedTrial {
    /// The checkpoint that is taken over.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { epoch: self.epoch, weights: self.weights, state: self.state }
    }
}
