//! Dense layers with ReLU and dropout.

use super::{
    DataShape, Layer, Unbuildable,
    layer::Stack,
    wanted::{MOST_LAYERS, WIDEST, dropout, whole},
};
use crate::hparams::Hparams;

/// The layers that `layers`, `units_0`… and `dropout_0`… describe, or `units` and `dropout` for all alike.
///
/// A numbered hyperparameter comes before the common one. Dropout is 0 where it is left out.
pub(super) fn layers(hparams: &Hparams, shape: &DataShape) -> Result<Vec<Layer>, Unbuildable> {
    let hidden = whole(hparams, "layers", 0, i64::from(MOST_LAYERS) - 1)?;
    let mut stack = Stack::new(shape);
    stack.flatten()?;
    for i in 0..hidden {
        let own_or_common = |stem: &str| {
            let own = format!("{stem}_{i}");
            if hparams.get(&own).is_none() && hparams.get(stem).is_some() { stem.to_owned() } else { own }
        };
        stack.dense(format!("dense_{i}"), whole(hparams, &own_or_common("units"), 1, WIDEST)?);
        stack.relu(format!("relu_{i}"));
        stack.dropout(format!("dropout_{i}"), dropout(hparams, &own_or_common("dropout"))?);
    }
    stack.dense(format!("dense_{hidden}"), shape.classes);
    Ok(stack.layers)
}
