//! Layers, values and sizes in few words.

use common::{
    model_spec::{Layer, Op},
    space::Domain,
};

use super::super::text::count;

/// How many configurations a space has.
pub(super) fn points_text(points: Option<u128>) -> String {
    let Some(points) = points else { return "endless".to_owned() };
    u64::try_from(points).map_or_else(|_| points.to_string(), count)
}

/// A layer's kind and sizes, and its input where that is not the layer before.
pub(super) fn what(layer: &Layer) -> String {
    match &layer.from {
        Some(from) => format!("{} of {from}", kind(&layer.op)),
        None => kind(&layer.op),
    }
}

fn kind(op: &Op) -> String {
    match op {
        Op::Flatten => "flatten".to_owned(),
        Op::Dense { inputs, outputs } => format!("dense {inputs} to {outputs}"),
        Op::Conv { inputs, outputs, kernel, stride, bias } => {
            let stride = if *stride == 1 { String::new() } else { format!(", stride {stride}") };
            let bias = if *bias { "" } else { ", no bias" };
            format!("conv {kernel}x{kernel} {inputs} to {outputs}{stride}{bias}")
        }
        Op::BatchNorm { .. } => "batch norm".to_owned(),
        Op::Relu => "relu".to_owned(),
        Op::Gelu => "gelu".to_owned(),
        Op::Silu => "silu".to_owned(),
        Op::Tanh => "tanh".to_owned(),
        Op::Elu => "elu".to_owned(),
        Op::LeakyRelu => "leaky relu".to_owned(),
        Op::MaxPool { size } => format!("max pool {size}x{size}"),
        Op::GlobalAvgPool => "mean of each channel".to_owned(),
        Op::Add { other } => format!("plus {other}"),
        Op::Dropout { rate } => format!("dropout {rate}"),
    }
}

/// The values of a domain, in few words.
pub(super) fn values(domain: &Domain) -> String {
    let scale = |log: bool| if log { ", logarithmic" } else { "" };
    match domain {
        Domain::Choice(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Domain::Int { min, max, step, log } => {
            let step = if *step == 1 { String::new() } else { format!(", steps of {step}") };
            format!("{min} to {max}{step}{}", scale(*log))
        }
        Domain::Float { min, max, step, log } => {
            let step = step.map(|step| format!(", steps of {step}")).unwrap_or_default();
            format!("{min} to {max}{step}{}", scale(*log))
        }
    }
}
