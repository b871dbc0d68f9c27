//! Convolutional blocks and a dense head, sized one by one.

use super::{
    DataShape, Layer, Unbuildable,
    block::{Block, Style, net},
    wanted::{WIDEST, Wanted},
};

/// Blocks where `blocks` is left out.
const BLOCKS: u32 = 4;

/// Hidden layers of the head where `dense_layers` is left out.
const HEAD_LAYERS: u32 = 2;

/// What is asked of hyperparameters; `N` counts blocks from 1.
pub(super) const HPARAMS: &[&str] = &[
    "blocks",
    "filters",
    "filters_N",
    "kernel",
    "kernel_N",
    "pool",
    "pool_N",
    "convs",
    "convs_N",
    "dropout",
    "dropout_N",
    "batch_norm",
    "bias",
    "activation",
    "initializer",
    "head",
    "dense_layers",
    "dense_units",
    "dense_dropout",
];

/// The layers that `blocks`, `filters_1`…, `kernel`, `pool`, `dropout` and the head's fields describe.
///
/// A block is two convolutions (`convs`), each with batch norm and ReLU, then a max-pool (left out where the image is
/// smaller than it) and dropout. A block's own hyperparameter comes before the common one.
pub(super) fn layers(wanted: Wanted<'_>, shape: &DataShape) -> Result<Vec<Layer>, Unbuildable> {
    let style = Style {
        batch_norm: wanted.switch("batch_norm", true)?,
        bias: wanted.switch("bias", true)?,
        activation: wanted.choice("activation")?,
    };
    let block = |number| {
        let own = |stem: &str| wanted.own_or_common(stem, number);
        let own_if_there = |stem: &str| wanted.own_if_there(stem, number);
        Ok(Block {
            kernel: wanted.kernel(&own_if_there("kernel"))?,
            pool: wanted.whole(&own_if_there("pool"), (1, WIDEST))?,
            filters: wanted.whole(&own("filters"), (1, WIDEST))?,
            convs: wanted.count(&own("convs"), 2, 1)?,
            dropout: wanted.rate(&own("dropout"))?,
        })
    };
    net((wanted, shape), (style, HEAD_LAYERS), wanted.count("blocks", BLOCKS, 0)?, block)
}
