//! `model.py`: a plain PyTorch module for exactly one model; and `ensemble.py`, for the vote of several.

use std::collections::BTreeSet;

use common::{
    ballot::{Ballot, Vote},
    model_file::{Architecture, ModelFile},
    model_spec::{DataShape, Layer, ModelSpec, Op},
    study::TrainSpec,
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

/// A model's module with gaps: words in braces, and no other braces.
const MODEL: &str = include_str!("model.py");

/// An ensemble's module, with gaps of the same kind.
const ENSEMBLE: &str = include_str!("ensemble.py");

/// Begins each line of a method's body.
const INDENT: &str = "\n        ";

/// The text of a Python module with `Model` and `load`, which needs PyTorch and safetensors alone.
pub(super) fn module(file: &ModelFile, model: &Architecture) -> Result<String, Failure> {
    let (init, mut forward) = bodies(&model.spec);
    if let Some(scale) = file.standard() {
        // Broadcasts over samples, and over the pixels of a channel.
        let shape = if file.features.is_some() { "" } else { ".reshape(1, -1, 1, 1)" };
        forward.insert(0, standardise(scale, shape));
    }
    let ModelFile { trial, study, metric: name, .. } = file;
    let (kind, epochs, value) = (file.model.as_str(), plural(file.epochs, "epoch"), metric(file.value));
    let title = format!("Trial {trial} of study {study}: {kind}, {name} {value} after {epochs}");
    let mut gaps = around(file, model.shape)?;
    gaps.extend([("title", title), ("init", init.join(INDENT)), ("forward", forward.join(INDENT))]);
    Ok(filled(MODEL, &gaps))
}

/// The text of a Python module with `Ensemble` and `load`, which reads the members' folders beside it; all members take
/// what this one of them takes.
pub(super) fn vote(ballot: &Ballot, member: &ModelFile, shape: DataShape) -> Result<String, Failure> {
    let Ballot { ensemble, vote, temperature, voters } = ballot;
    let members = plural(voters.len() as u64, "member");
    let listed = voters.iter().map(|voter| format!("(\"{}\", {})", voter.folder(), voter.weight));
    let together = match vote {
        Vote::Soft | Vote::Greedy => [
            "counts = said.new_tensor([count for _, count in MEMBERS]).reshape(-1, 1, 1)",
            "together = (said * counts).sum(0) / counts.sum()",
        ],
        Vote::Hard => [
            "votes = nn.functional.one_hot(said.argmax(2), len(CLASSES)).sum(0)",
            "together = (votes + said.mean(0)) / (len(MEMBERS) + 1)",
        ],
    };
    let mut gaps = around(member, shape)?;
    gaps.extend([
        ("title", format!("The {} of {members} of study {ensemble}", vote.name())),
        ("members", listed.collect::<Vec<_>>().join(", ")),
        ("temperature", temperature.to_string()),
        ("distribution", distribution(&member.train, shape).join(INDENT)),
        ("vote", together.join(INDENT)),
    ]);
    Ok(filled(ENSEMBLE, &gaps))
}

/// The lines of a method that returns a member's probabilities: their mean over the copies of images that it was measured
/// with.
fn distribution(train: &TrainSpec, shape: DataShape) -> Vec<String> {
    let DataShape { height, width, .. } = shape;
    let by = train.shift_averaging;
    let mut lines = Vec::new();
    if by > 0 {
        lines.push(format!("padded = nn.functional.pad(x, ({by}, {by}, {by}, {by}))"));
        lines.push(format!(
            "corners = (({by}, {by}), (0, {by}), ({0}, {by}), ({by}, 0), ({by}, {0}))",
            2 * by
        ));
        lines.push(format!(
            "copies = [padded[:, :, top : top + {height}, left : left + {width}] for top, left in corners]"
        ));
    } else if train.flip_averaging {
        lines.push("copies = [x]".to_owned());
    } else {
        return vec!["return member(x).double().softmax(1)".to_owned()];
    }
    if train.flip_averaging {
        lines.push("copies += [copy.flip(3) for copy in copies]".to_owned());
    }
    lines.push("return sum(member(copy).double().softmax(1) for copy in copies) / len(copies)".to_owned());
    lines
}

/// What fills the gaps around a module: what goes in, what the classes are called, and a constant for whoever feeds it.
fn around(file: &ModelFile, shape: DataShape) -> Result<Vec<(&'static str, String)>, Failure> {
    let DataShape { channels, height, width, classes } = shape;
    let classes: Vec<String> = (0..classes as usize).map(|class| file.class(class)).collect();
    let (input, constant) = match &file.features {
        None => (
            format!(
                "pixels)      # pixels: float, samples × {channels} × {height} × {width}, a byte times SCALE"
            ),
            format!("# What a pixel's byte is multiplied by.\nSCALE = {}", scale(file.pixels.scale)),
        ),
        Some(features) => (
            format!("features)    # features: float, samples × {width}, in the order of COLUMNS"),
            format!(
                "# What the features are called; nothing where the table had no names for them.\nCOLUMNS = [{}]",
                texts(&features.columns)?
            ),
        ),
    };
    Ok(vec![("input", input), ("classes", texts(&classes)?), ("constant", constant)])
}

/// A template with its gaps filled; what fills one may look like a gap and is none.
fn filled(template: &str, gaps: &[(&str, String)]) -> String {
    // Outside and inside of braces by turns.
    let pieces = template.split(['{', '}']).enumerate();
    let fill = |name: &str| gaps.iter().find(|(gap, _)| *gap == name).map_or("", |(_, text)| text).to_owned();
    pieces.map(|(at, piece)| if at % 2 == 0 { piece.to_owned() } else { fill(piece) }).collect()
}

/// Texts as the items of a list: in JSON a text is the same as in Python.
fn texts(names: &[String]) -> Result<String, Failure> {
    let names: Vec<String> = names.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    Ok(names.join(", "))
}

/// The lines that make the layers, and those that pass a batch through them.
fn bodies(spec: &ModelSpec) -> (Vec<String>, Vec<String>) {
    let (mut init, mut forward) = (Vec::new(), Vec::new());
    let mut containers = BTreeSet::new();
    let needed: BTreeSet<&str> = spec.layers.iter().flat_map(earlier).collect();
    for layer in &spec.layers {
        let Lines { module, forward: pass } = lines(layer);
        if let Some(module) = module {
            let inner = layer.name.match_indices('.').map(|(dot, _)| &layer.name[..dot]);
            let fresh = inner.filter(|container| containers.insert(*container));
            init.extend(fresh.map(|container| format!("self.{container} = nn.Module()")));
            init.push(format!("self.{} = {module}", layer.name));
        }
        forward.extend(layer.from.as_ref().map(|from| format!("x = {}", kept(from))));
        forward.push(pass);
        if needed.contains(layer.name.as_str()) {
            forward.push(format!("{} = x", kept(&layer.name)));
        }
    }
    (init, forward)
}

/// The earlier layers whose outputs a layer takes, other than the one before it.
fn earlier(layer: &Layer) -> impl Iterator<Item = &str> {
    let other = if let Op::Add { other } = &layer.op { Some(other.as_str()) } else { None };
    layer.from.as_deref().into_iter().chain(other)
}

/// The variable that keeps a layer's output.
fn kept(layer: &str) -> String {
    layer.replace('.', "_")
}

/// The line that standardises a batch, on whatever device it is.
fn standardise((mean, deviation): (&[f32], &[f32]), shape: &str) -> String {
    let tensor = |numbers: &[f32]| {
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        format!("x.new_tensor([{}]){shape}", numbers.join(", "))
    };
    format!("x = (x - {}) / {}", tensor(mean), tensor(deviation))
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
        Op::Conv { inputs, outputs, kernel, stride, bias } => {
            let stride = if *stride == 1 { String::new() } else { format!(", stride={stride}") };
            let bias = if *bias { "" } else { ", bias=False" };
            of(format!("nn.Conv2d({inputs}, {outputs}, {kernel}{stride}, padding={}{bias})", kernel / 2))
        }
        Op::BatchNorm { channels } => {
            let dimensions = if layer.output.len() == 1 { 1 } else { 2 };
            of(format!("nn.BatchNorm{dimensions}d({channels})"))
        }
        Op::Relu => pass("x = F.relu(x)".to_owned()),
        Op::Gelu => pass("x = F.gelu(x)".to_owned()),
        Op::Silu => pass("x = F.silu(x)".to_owned()),
        Op::Tanh => pass("x = x.tanh()".to_owned()),
        Op::Elu => pass("x = F.elu(x)".to_owned()),
        Op::LeakyRelu => pass("x = F.leaky_relu(x)".to_owned()),
        Op::GlobalAvgPool => pass("x = x.mean((2, 3))".to_owned()),
        Op::Add { other } => pass(format!("x = x + {}", kept(other))),
        Op::MaxPool { size } => pass(format!("x = F.max_pool2d(x, {size})")),
        Op::Dropout { rate } => pass(format!("x = F.dropout(x, {rate}, self.training)")),
    }
}

#[cfg(test)]
mod tests {
    use common::{
        hparams::{Hparams, Scalar},
        model_file::{Features, Inputs, Pixels},
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
        let mut file = describe(&best, Inputs::default());
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
        file.pixels = Pixels { mean: vec![0.25], deviation: vec![0.5], ..Pixels::default() };
        let text = module(&file, &file.architecture().unwrap()).unwrap();
        let line = "        x = (x - x.new_tensor([0.25]).reshape(1, -1, 1, 1)) / x.new_tensor([0.5]).reshape(1, -1, 1, 1)\n";
        assert!(text.contains(&format!("def forward(self, x):\n{line}")), "{text}");
    }

    #[test]
    fn a_vote_has_its_members_and_its_way_of_counting() {
        let mut file = describe(&fixture::best(), Inputs::default());
        let shape = file.architecture().unwrap().shape;
        let text = |vote: &str, file: &ModelFile| {
            let ballot = format!(
                r#"{{"ensemble":"a-ensemble","vote":"{vote}","temperature":0.75,"voters":[{{"trial":0,"weight":1}},{{"trial":7,"weight":1}}]}}"#
            );
            super::vote(&Ballot::from_json(&ballot).unwrap(), file, shape).unwrap()
        };
        let soft = text("soft", &file);
        for line in [
            "\"\"\"The soft vote of 2 members of study a-ensemble. Written by `rung export`.\n",
            "MEMBERS = [(\"member-0\", 1), (\"member-7\", 1)]\n",
            "TEMPERATURE = 0.75\n",
            "        return member(x).double().softmax(1)\n",
            "        together = (said * counts).sum(0) / counts.sum()\n",
        ] {
            assert!(soft.contains(line), "{line}\n{soft}");
        }
        file.train.flip_averaging = true;
        let hard = text("hard", &file);
        let mean = "        return sum(member(copy).double().softmax(1) for copy in copies) / len(copies)\n";
        let mirrored = "        copies += [copy.flip(3) for copy in copies]\n";
        for line in ["        copies = [x]\n", mirrored, mean, "/ (len(MEMBERS) + 1)\n"] {
            assert!(hard.contains(line), "{line}\n{hard}");
        }
        file.train.shift_averaging = 2;
        let shifted = text("hard", &file);
        for line in [
            "        padded = nn.functional.pad(x, (2, 2, 2, 2))\n",
            "        corners = ((2, 2), (0, 2), (4, 2), (2, 0), (2, 4))\n",
            "        copies = [padded[:, :, top : top + 28, left : left + 28] for top, left in corners]\n",
            mirrored,
            mean,
        ] {
            assert!(shifted.contains(line), "{line}\n{shifted}");
        }
    }

    #[test]
    fn rows_of_a_table_are_standardised_and_their_columns_named() {
        let mut file = describe(&fixture::best(), Inputs::default());
        file.classes = Some(["{constant}", "{init}"].map(str::to_owned).to_vec());
        let columns = ["{forward}", "a \"b\""].map(str::to_owned).to_vec();
        file.features = Some(Features { columns, mean: vec![0.5, 2.0], deviation: vec![1.0, 0.25] });
        let model = file.architecture().map(|_| ()).unwrap_err();
        assert!(model.to_string().contains("for each of 28 features"), "{model}");
        let shape = DataShape { channels: 1, height: 1, width: 2, classes: 2 };
        let spec = ModelSpec::build(ModelKind::Mlp, &fixture::best().trial.hparams, &shape).unwrap();
        let text = module(&file, &Architecture { spec, shape }).unwrap();
        for line in [
            "    logits = net(features)    # features: float, samples × 2, in the order of COLUMNS\n",
            "CLASSES = [\"{constant}\", \"{init}\"]\n",
            "COLUMNS = [\"{forward}\", \"a \\\"b\\\"\"]\n",
            "(self, x):\n        x = (x - x.new_tensor([0.5, 2])) / x.new_tensor([1, 0.25])\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("SCALE"), "{text}");
    }
}
