//! The spaces that have a name: those of the Keras study that docs/results.md tells of, and wider ones.

mod all;

use super::{Comparison, Condition, Domain, Parameter, SearchSpace, Test};
use crate::hparams::Scalar;

/// A space by its name.
pub(super) fn named(name: &str) -> Option<SearchSpace> {
    let parameters = match name {
        "mlp" => mlp(),
        "mlp-tied" => mlp_tied(),
        "mlp-best" => all::mlp(),
        "cnn" => cnn(),
        "cnn-all" => all::cnn(),
        "resnet" => all::resnet(),
        "vgg" => all::vgg(),
        _ => return None,
    };
    Some(SearchSpace { parameters })
}

/// Two to six hidden layers, each with a width and a dropout of its own: 202,105,200 points.
fn mlp() -> Vec<Parameter> {
    let mut parameters = vec![layers()];
    for layer in 0..6 {
        let when = (layer >= 2).then(|| at_least("layers", layer + 1));
        parameters.push(Parameter { when: when.clone(), ..ints(&format!("units_{layer}"), &WIDTHS) });
        parameters.push(Parameter { when, ..floats(&format!("dropout_{layer}"), &DROPOUTS) });
    }
    parameters.push(floats("lr", &RATES));
    parameters
}

/// Two to six hidden layers of one width and one dropout: 300 points.
fn mlp_tied() -> Vec<Parameter> {
    vec![layers(), ints("units", &WIDTHS), floats("dropout", &DROPOUTS), floats("lr", &RATES)]
}

/// Four convolutional blocks; dropout and learning rate are continuous.
fn cnn() -> Vec<Parameter> {
    vec![
        ints("filters_1", &[16, 32]),
        ints("kernel", &[3, 5]),
        ints("pool", &[2, 4]),
        ints("filters_2", &[32, 64, 128]),
        ints("filters_3", &[32, 64, 128]),
        ints("filters_4", &[32, 64, 128]),
        always("dropout", Domain::Float { min: 0.0, max: 0.5, step: None, log: false }),
        always("lr", Domain::Float { min: 1e-4, max: 1e-2, step: None, log: true }),
    ]
}

const WIDTHS: [i64; 5] = [32, 64, 128, 256, 512];
const DROPOUTS: [f64; 4] = [0.0, 0.1, 0.2, 0.3];
const RATES: [f64; 3] = [0.01, 0.001, 0.0001];

fn layers() -> Parameter {
    always("layers", Domain::Int { min: 2, max: 6, step: 1, log: false })
}

fn ints(name: &str, values: &[i64]) -> Parameter {
    always(name, Domain::Choice(values.iter().map(|value| Scalar::Int(*value)).collect()))
}

fn floats(name: &str, values: &[f64]) -> Parameter {
    always(name, Domain::Choice(values.iter().map(|value| Scalar::Float(*value)).collect()))
}

/// Holds where an earlier parameter has at least this value.
fn at_least(parameter: &str, value: i64) -> Condition {
    Condition { parameter: parameter.to_owned(), test: Test::Is(Comparison::AtLeast, Scalar::Int(value)) }
}

fn always(name: &str, domain: Domain) -> Parameter {
    Parameter { name: name.to_owned(), domain, when: None }
}
