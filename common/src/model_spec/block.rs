//! Blocks of a convolutional net: convolutions, a pool and dropout.

use super::{
    Activation, DataShape, Layer, Unbuildable,
    head::head,
    stack::{Conv, Stack},
    wanted::Wanted,
};

/// What a net's convolutions have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) batch_norm: bool,
    pub(super) bias: bool,
    pub(super) activation: Activation,
}

/// One block's sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) filters: u32,
    pub(super) kernel: u32,
    pub(super) convs: u32,
    pub(super) pool: u32,
    pub(super) dropout: f64,
}

impl Block {
    /// Adds the block to a net, as its `number`th.
    fn stack(self, number: u32, style: Style, stack: &mut Stack) -> Result<(), Unbuildable> {
        let prefix = format!("block_{number}.");
        let conv = Conv { outputs: self.filters, kernel: self.kernel, stride: 1, bias: style.bias };
        for i in 0..self.convs {
            stack.conv(format!("{prefix}conv_{i}"), conv)?;
            if style.batch_norm {
                stack.norm(format!("{prefix}norm_{i}"));
            }
            stack.activate(&prefix, style.activation, i);
        }
        stack.pool(format!("{prefix}pool"), self.pool);
        stack.dropout(format!("{prefix}dropout"), self.dropout);
        Ok(())
    }
}

/// The layers of so many blocks, counted from 1, and of a head that has `head_layers` hidden layers where nothing else
/// is wanted.
pub(super) fn net(
    (wanted, shape): (Wanted<'_>, &DataShape),
    (style, head_layers): (Style, u32),
    blocks: u32,
    block: impl Fn(u32) -> Result<Block, Unbuildable>,
) -> Result<Vec<Layer>, Unbuildable> {
    let mut stack = Stack::new(shape);
    for number in 1..=blocks {
        block(number)?.stack(number, style, &mut stack)?;
    }
    head(wanted, (style.activation, head_layers), &mut stack, shape)?;
    Ok(stack.layers)
}
