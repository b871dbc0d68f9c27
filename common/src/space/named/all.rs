//! Searches of a model and of its training at once.

use super::{Comparison, Condition, Domain, Parameter, Test, always, at_least, floats, ints};
use crate::hparams::Scalar;

/// Dense layers with or without batch norm: widths, regularisation and training.
pub(super) fn mlp() -> Vec<Parameter> {
    vec![
        whole("layers", 2, 4),
        ints("units_0", &[512, 768, 1024]),
        ints("units_1", &[128, 256, 384, 512]),
        when(at_least("layers", 3), ints("units_2", &[64, 128, 256])),
        when(at_least("layers", 4), ints("units_3", &[64, 128])),
        switch("batch_norm"),
        texts("activation", &["relu", "gelu", "silu"]),
        texts("initializer", &["glorot_uniform", "he_normal"]),
        real("dropout", 0.0, 0.5),
        ints("batch_size", &[128, 256, 512]),
        logarithmic("lr", 3e-4, 1e-2),
        texts("optimizer", &["adam", "adamw"]),
        when(is("optimizer", "adamw"), logarithmic("weight_decay", 1e-3, 2e-1)),
        switch("flip"),
        ints("crop", &[0, 1, 2]),
        floats("label_smoothing", &[0.0, 0.05, 0.1, 0.2]),
        texts("schedule", &["constant", "cosine", "one_cycle"]),
        texts("average", &["none", "ema"]),
    ]
}

/// Convolutional nets of two to four blocks: every size, regularisation and training.
pub(super) fn cnn() -> Vec<Parameter> {
    let mut parameters = vec![whole("blocks", 2, 4)];
    for (block, filters) in [(1, [16, 32, 64]), (2, [32, 64, 128]), (3, [32, 64, 128]), (4, [64, 128, 256])] {
        let sizes = [ints(&format!("filters_{block}"), &filters), ints(&format!("kernel_{block}"), &[3, 5])];
        parameters.extend(sizes.map(|size| match block {
            1 | 2 => size,
            _ => when(at_least("blocks", block), size),
        }));
    }
    parameters.extend([
        whole("convs", 1, 2),
        ints("pool", &[2, 3, 4]),
        switch("batch_norm"),
        texts("activation", &["relu", "gelu", "silu"]),
        texts("initializer", &["glorot_uniform", "he_normal"]),
        real("dropout", 0.0, 0.5),
        texts("head", &["flatten", "average"]),
        whole("dense_layers", 0, 2),
        when(at_least("dense_layers", 1), ints("dense_units", &[32, 64, 128, 256])),
        ints("batch_size", &[64, 128, 256]),
        logarithmic("lr", 1e-4, 3e-2),
        texts("optimizer", &["adam", "adamw", "sgd", "rmsprop"]),
        when(is("optimizer", "sgd"), floats("momentum", &[0.8, 0.9, 0.95])),
        when(one_of("optimizer", &["adamw", "sgd"]), logarithmic("weight_decay", 1e-5, 5e-2)),
        texts("augment", &["none", "light", "standard", "strong"]),
    ]);
    parameters.extend(targets_and_schedule());
    parameters
}

/// Residual nets: depth, width and training.
pub(super) fn resnet() -> Vec<Parameter> {
    let mut parameters = vec![
        whole("stages", 2, 3),
        whole("blocks", 1, 3),
        ints("width", &[8, 12, 16, 20, 24, 32]),
        texts("activation", &["relu", "silu"]),
        texts("initializer", &["glorot_uniform", "he_normal"]),
        real("dropout", 0.0, 0.3),
        ints("batch_size", &[64, 128, 256]),
        logarithmic("lr", 1e-3, 2e-1),
        texts("optimizer", &["adamw", "sgd"]),
        when(is("optimizer", "sgd"), floats("momentum", &[0.8, 0.9, 0.95])),
        logarithmic("weight_decay", 1e-5, 5e-2),
        texts("augment", &["none", "light", "standard", "strong"]),
    ];
    parameters.extend(targets_and_schedule());
    parameters
}

/// Equal blocks of convolutions: depth, width, head and training, with amounts of augmentation.
pub(super) fn vgg() -> Vec<Parameter> {
    vec![
        whole("blocks", 2, 4),
        whole("convs", 1, 3),
        ints("width", &[16, 24, 32, 48]),
        texts("head", &["flatten", "average"]),
        whole("dense_layers", 0, 1),
        when(at_least("dense_layers", 1), ints("dense_units", &[64, 128])),
        texts("activation", &["relu", "silu"]),
        real("dropout", 0.0, 0.3),
        ints("batch_size", &[64, 128, 256]),
        logarithmic("lr", 1e-3, 3e-1),
        texts("optimizer", &["adamw", "sgd"]),
        when(is("optimizer", "sgd"), floats("momentum", &[0.8, 0.9, 0.95])),
        logarithmic("weight_decay", 1e-4, 5e-2),
        switch("flip"),
        ints("crop", &[0, 1, 2]),
        floats("erase", &[0.0, 0.25, 0.5]),
        floats("label_smoothing", &[0.0, 0.05, 0.1]),
        texts("schedule", &["cosine", "one_cycle"]),
    ]
}

/// How sure a model shall be, and how its learning rate runs.
fn targets_and_schedule() -> [Parameter; 2] {
    [
        floats("label_smoothing", &[0.0, 0.05, 0.1, 0.2]),
        texts("schedule", &["constant", "cosine", "one_cycle", "step"]),
    ]
}

fn whole(name: &str, min: i64, max: i64) -> Parameter {
    always(name, Domain::Int { min, max, step: 1, log: false })
}

fn real(name: &str, min: f64, max: f64) -> Parameter {
    always(name, Domain::Float { min, max, step: None, log: false })
}

fn logarithmic(name: &str, min: f64, max: f64) -> Parameter {
    always(name, Domain::Float { min, max, step: None, log: true })
}

fn switch(name: &str) -> Parameter {
    always(name, Domain::Choice(vec![Scalar::Bool(true), Scalar::Bool(false)]))
}

fn texts(name: &str, values: &[&str]) -> Parameter {
    always(name, Domain::Choice(values.iter().map(|value| text(value)).collect()))
}

fn text(value: &str) -> Scalar {
    Scalar::Text(value.to_owned())
}

fn when(condition: Condition, parameter: Parameter) -> Parameter {
    Parameter { when: Some(condition), ..parameter }
}

/// Holds where an earlier parameter has this value.
fn is(parameter: &str, value: &str) -> Condition {
    let test = Test::Is(Comparison::Equal, text(value));
    Condition { parameter: parameter.to_owned(), test }
}

/// Holds where an earlier parameter has one of these values.
fn one_of(parameter: &str, values: &[&str]) -> Condition {
    let test = Test::In(values.iter().map(|value| text(value)).collect());
    Condition { parameter: parameter.to_owned(), test }
}
