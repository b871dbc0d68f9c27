//! Dense layers with batch norm, an activation and dropout.

use super::{
    DataShape, Layer, Unbuildable,
    choices::Head,
    stack::Stack,
    wanted::{MOST_LAYERS, WIDEST, Wanted},
};

/// What is asked of hyperparameters; `N` counts hidden layers from 0.
pub(super) const HPARAMS: &[&str] =
    &["layers", "units", "units_N", "dropout", "dropout_N", "batch_norm", "activation", "initializer"];

/// The layers that `layers`, `units_0`… and `dropout_0`… describe, or `units` and `dropout` for all alike.
///
/// A numbered hyperparameter comes before the common one. Dropout is 0 where it is left out.
pub(super) fn layers(wanted: Wanted<'_>, shape: &DataShape) -> Result<Vec<Layer>, Unbuildable> {
    let hidden = wanted.whole("layers", (0, i64::from(MOST_LAYERS) - 1))?;
    let (batch_norm, activation) = (wanted.switch("batch_norm", false)?, wanted.choice("activation")?);
    let mut stack = Stack::new(shape);
    stack.row(Head::Flatten)?;
    for i in 0..hidden {
        stack.dense(format!("dense_{i}"), wanted.whole(&wanted.own_or_common("units", i), (1, WIDEST))?);
        if batch_norm {
            stack.norm(format!("norm_{i}"));
        }
        stack.activate("", activation, i);
        stack.dropout(format!("dropout_{i}"), wanted.rate(&wanted.own_or_common("dropout", i))?);
    }
    stack.dense(format!("dense_{hidden}"), shape.classes);
    Ok(stack.layers)
}
