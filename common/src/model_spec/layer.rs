//! One layer of a model.

use serde::{Deserialize, Serialize};

use super::Op;

/// One layer of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The prefix of the layer's tensors in a PyTorch state dict, for example `dense_0` or `block_1.conv_0`.
    pub name: String,
    /// What the layer does.
    pub op: Op,
    /// The earlier layer whose output comes in; the layer before, or the sample, where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The shape of one sample's output: `[channels, height, width]` or `[features]`.
    pub output: Vec<u32>,
    /// How many numbers of the layer are trained.
    pub parameters: u64,
}
