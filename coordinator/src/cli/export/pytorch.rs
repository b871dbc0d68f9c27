//! `model.py`: a plain PyTorch module for exactly one model.

use std::{collections::BTreeSet, fmt::Write as _};

use common::{
    model_file::{Architecture, ModelFile},
    model_spec::{DataShape, Layer, Op},
};

use super::super::{
    failure::Failure,
    text::{metric, plural},
};

/// What a layer is in Python.
struct Lines {
    /// What makes its submodule; none where it has no tensor.
    module: Option<String>,
    /// What passes `x` through it.
    forward: String,
}

/// The text of a Python module with `Model` and `load`, which needs PyTorch and safetensors alone.
pub(super) fn module(file: &ModelFile, model: &Architecture) -> Result<String, Failure> {
    let DataShape { channels, height, width, classes } = model.shape;
    let (mut init, mut forward) = (String::new(), String::new());
    let mut containers = BTreeSet::new();
    for layer in &model.spec.layers {
        let Lines { module, forward: pass } = lines(layer);
        if let Some(module) = module {
            for (dot, _) in layer.name.match_indices('.') {
                let container = &layer.name[..dot];
                if containers.insert(container) {
                    writeln!(init, "        self.{container} = nn.Module()")?;
                }
            }
            writeln!(init, "        self.{} = {module}", layer.name)?;
        }
        writeln!(forward, "        {pass}")?;
    }
    let names: Vec<String> = (0..classes as usize).map(|class| file.class(class)).collect();
    Ok(format!(
        r#""""Trial {trial} of study {study}: {kind}, {metric} {value} after {epochs}. Written by `rung export`.

    import model
    net = model.load()        # reads model.safetensors beside this file; every tensor must fit
    logits = net(pixels)      # pixels: float, samples × {channels} × {height} × {width}, a byte times SCALE
    names = [model.CLASSES[i] for i in logits.argmax(1)]
"""

import pathlib

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

CLASSES = {names}

# What a pixel's byte is multiplied by.
SCALE = {scale}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
{init}
    def forward(self, x):
{forward}        return x


def load(path=None):
    """The trained model in eval mode."""
    model = Model()
    state = load_file(path or pathlib.Path(__file__).with_name("model.safetensors"))
    model.load_state_dict(state, strict=True)
    return model.eval()
"#,
        trial = file.trial,
        study = file.study,
        kind = file.model.as_str(),
        metric = file.metric,
        value = metric(file.value),
        epochs = plural(file.epochs, "epoch"),
        names = serde_json::to_string(&names)?,
        scale = scale(file.pixels.scale),
    ))
}

/// A scale as people write it, where it is the usual one.
fn scale(scale: f32) -> String {
    if scale == 1.0 / 255.0 { "1 / 255".to_owned() } else { scale.to_string() }
}

fn lines(layer: &Layer) -> Lines {
    let of = |module: String| Lines { module: Some(module), forward: format!("x = self.{}(x)", layer.name) };
    let pass = |forward: String| Lines { module: None, forward };
    match &layer.op {
        Op::Flatten => pass("x = x.flatten(1)".to_owned()),
        Op::Dense { inputs, outputs } => of(format!("nn.Linear({inputs}, {outputs})")),
        Op::Conv { inputs, outputs, kernel } => {
            of(format!("nn.Conv2d({inputs}, {outputs}, {kernel}, padding={})", kernel / 2))
        }
        Op::BatchNorm { channels } => {
            let dimensions = if layer.output.len() == 1 { 1 } else { 2 };
            of(format!("nn.BatchNorm{dimensions}d({channels})"))
        }
        Op::Relu => pass("x = F.relu(x)".to_owned()),
        Op::MaxPool { size } => pass(format!("x = F.max_pool2d(x, {size})")),
        Op::Dropout { rate } => pass(format!("x = F.dropout(x, {rate}, self.training)")),
    }
}

#[cfg(test)]
mod tests {
    use common::{
        hparams::{Hparams, Scalar},
        study::ModelKind,
    };

    use super::*;
    use crate::cli::{fixture, trained::describe};

    #[test]
    fn every_layer_has_its_line() {
        let mut best = fixture::best();
        best.spec.model = ModelKind::Cnn;
        best.trial.hparams = Hparams::from([
            ("blocks", Scalar::Int(1)),
            ("filters_1", Scalar::Int(4)),
            ("kernel", Scalar::Int(5)),
            ("pool", Scalar::Int(2)),
            ("dropout", Scalar::Float(0.25)),
        ]);
        let file = describe(&best);
        let text = module(&file, &file.architecture().unwrap()).unwrap();
        for line in [
            "        self.block_1 = nn.Module()\n        self.block_1.conv_0 = nn.Conv2d(1, 4, 5, padding=2)\n",
            "        self.block_1.norm_1 = nn.BatchNorm2d(4)\n",
            "        self.dense_0 = nn.Linear(784, 128)\n",
            "        x = self.block_1.conv_1(x)\n        x = self.block_1.norm_1(x)\n        x = F.relu(x)\n",
            "        x = F.max_pool2d(x, 2)\n        x = F.dropout(x, 0.25, self.training)\n        x = x.flatten(1)\n",
            "        x = self.dense_2(x)\n        return x\n",
            "SCALE = 1 / 255\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(text.matches("self.block_1 = ").count(), 1);
    }
}
