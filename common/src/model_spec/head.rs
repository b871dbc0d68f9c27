//! The dense layers after convolutions.

use super::{
    Activation, DataShape, Unbuildable,
    stack::Stack,
    wanted::{WIDEST, Wanted},
};

/// Width of the first hidden layer where `dense_units` is left out.
const UNITS: u32 = 128;

/// Adds what makes classes of an image: a row (`head`), `dense_layers` hidden layers, and the last one.
///
/// The first hidden layer has `dense_units` values and each further one half as many; dropout is `dense_dropout`, or
/// `dropout` where that is left out.
pub(super) fn head(
    wanted: Wanted<'_>,
    (activation, layers): (Activation, u32),
    stack: &mut Stack,
    shape: &DataShape,
) -> Result<(), Unbuildable> {
    stack.row(wanted.choice("head")?)?;
    let layers = wanted.count("dense_layers", layers, 0)?;
    let units = wanted.whole_or("dense_units", UNITS, (1, WIDEST))?;
    let rate = wanted.rate(if wanted.has("dense_dropout") { "dense_dropout" } else { "dropout" })?;
    for i in 0..layers {
        stack.dense(format!("dense_{i}"), (units.checked_shr(i).unwrap_or(0)).max(1));
        stack.activate("", activation, i);
        stack.dropout(format!("dropout_{i}"), rate);
    }
    stack.dense(format!("dense_{layers}"), shape.classes);
    Ok(())
}
