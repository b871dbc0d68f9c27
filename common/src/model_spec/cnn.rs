//! Convolutional blocks with batch norm and dropout, and a dense head.

use super::{
    DataShape, Layer, Unbuildable,
    layer::Stack,
    wanted::{MOST_LAYERS, WIDEST, dropout, whole},
};
use crate::hparams::{Hparams, Scalar};

/// Blocks where `blocks` is left out.
const BLOCKS: u32 = 4;

/// Widths of the head's hidden layers.
const HEAD: [u32; 2] = [128, 64];

/// The layers that `blocks`, `filters_1`…, `kernel`, `pool` and `dropout` describe.
///
/// A block is two convolutions, each with batch norm and ReLU, then a max-pool (left out where the image is smaller
/// than it) and dropout.
pub(super) fn layers(hparams: &Hparams, shape: &DataShape) -> Result<Vec<Layer>, Unbuildable> {
    let blocks = match hparams.get("blocks") {
        Some(_) => whole(hparams, "blocks", 0, i64::from(MOST_LAYERS) - 1)?,
        None => BLOCKS,
    };
    let (kernel, pool) = (kernel(hparams)?, whole(hparams, "pool", 1, WIDEST)?);
    let rate = dropout(hparams, "dropout")?;
    let mut stack = Stack::new(shape);
    for block in 1..=blocks {
        let filters = whole(hparams, &format!("filters_{block}"), 1, WIDEST)?;
        let name = format!("block_{block}");
        stack.conv(&name, 0, filters, kernel);
        stack.conv(&name, 1, filters, kernel);
        stack.pool(format!("{name}.pool"), pool);
        stack.dropout(format!("{name}.dropout"), rate);
    }
    stack.flatten()?;
    for (i, width) in HEAD.into_iter().enumerate() {
        stack.dense(format!("dense_{i}"), width);
        stack.relu(format!("relu_{i}"));
        stack.dropout(format!("dropout_{i}"), rate);
    }
    stack.dense(format!("dense_{}", HEAD.len()), shape.classes);
    Ok(stack.layers)
}

/// The kernels' side: odd, so that `same` padding is even.
fn kernel(hparams: &Hparams) -> Result<u32, Unbuildable> {
    let kernel = whole(hparams, "kernel", 1, 999)?;
    if kernel % 2 == 1 {
        return Ok(kernel);
    }
    Err(Unbuildable::Unusable {
        name: "kernel".to_owned(),
        value: Scalar::Int(kernel.into()),
        expected: "an odd number".to_owned(),
    })
}
