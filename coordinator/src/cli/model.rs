//! `rung model`: what is known by name, and what its models are made of.

use clap::{Args, Subcommand};
use common::{
    hparams::Hparams,
    model_spec::{DataShape, Layer, ModelSpec, Op},
    nearest::nearest,
    preset::{self, Preset},
    space::SearchSpace,
    study::{ModelKind, SchedulerSpec},
};
use serde::Serialize;

use super::{
    args::FormatArgs,
    failure::Failure,
    output::{self, Show, Table},
    text::count,
};

/// Flags of `rung model`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ModelArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Presets: searches for `rung run`, single configurations for `rung train`
    List(FormatArgs),
    /// Layers, shapes and parameters of a preset
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The preset's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: FormatArgs,
}

/// Lists or shows presets.
pub(super) fn run(args: ModelArgs) -> Result<(), Failure> {
    match args.verb {
        None => list(args.output),
        Some(Verb::List(output)) => list(output),
        Some(Verb::Show(args)) => output::show(&ModelReport::new(named(&args.name)?)?, args.output.format),
    }
}

fn list(output: FormatArgs) -> Result<(), Failure> {
    let presets = preset::ALL.iter().filter_map(|name| preset::preset(name));
    output::show(&ModelRows(presets.map(ModelReport::new).collect::<Result<_, _>>()?), output.format)
}

fn named(name: &str) -> Result<Preset, Failure> {
    let unknown = || {
        let failure = Failure::bad_input(format!("there is no model `{name}`"));
        match nearest(name, preset::ALL.iter().copied()) {
            Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
            None => failure.help(format!("known are {}", preset::ALL.join(", "))),
        }
    };
    preset::preset(name).ok_or_else(unknown)
}

/// A preset's model, or the space of its models.
#[derive(Debug, Serialize)]
struct ModelReport {
    name: &'static str,
    summary: &'static str,
    model: ModelKind,
    parameters: Option<u64>,
    input: Option<DataShape>,
    layers: Vec<Layer>,
    hparams: Option<Hparams>,
    space: Option<SearchSpace>,
    points: Option<u128>,
}

impl ModelReport {
    fn new(preset: Preset) -> Result<Self, Failure> {
        let study = preset.study;
        let input = study.data.shape();
        let hparams = match study.scheduler {
            SchedulerSpec::Fixed { trials, .. } => trials.into_iter().next().map(|trial| trial.hparams),
            SchedulerSpec::Hyperband(_) => None,
        };
        let model = match (&hparams, &input) {
            (Some(hparams), Some(input)) => Some(ModelSpec::build(study.model, hparams, input)?),
            _ => None,
        };
        let space = Some(study.space).filter(|space| !space.is_empty());
        Ok(Self {
            name: preset.name,
            summary: preset.summary,
            model: study.model,
            parameters: model.as_ref().map(ModelSpec::parameters),
            input,
            layers: model.map(|model| model.layers).unwrap_or_default(),
            hparams,
            points: space.as_ref().and_then(SearchSpace::points),
            space,
        })
    }
}

/// How many configurations a space has.
fn points_text(points: Option<u128>) -> String {
    let Some(points) = points else { return "endless".to_owned() };
    u64::try_from(points).map_or_else(|_| points.to_string(), count)
}

impl Show for ModelReport {
    fn table(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.name, self.summary);
        if let Some(space) = &self.space {
            let mut table = Table::new(["parameter", "values", "active when"]);
            for parameter in &space.parameters {
                let when = parameter.when.as_ref().map_or_else(|| "always".to_owned(), ToString::to_string);
                table.row([parameter.name.clone(), values(&parameter.domain), when]);
            }
            text += &table.render();
            let points = points_text(self.points);
            return format!("{text}\n\nconfigurations  {points}\n`rung run {}` searches them\n", self.name);
        }
        let mut table = Table::new(["layer", "what", "output", "parameters"]);
        for layer in &self.layers {
            let sides: Vec<_> = layer.output.iter().map(ToString::to_string).collect();
            table.row([layer.name.clone(), what(layer), sides.join(" × "), count(layer.parameters)]);
        }
        text += &table.render();
        if let Some(hparams) = &self.hparams {
            let parameters = self.parameters.map(count).unwrap_or_default();
            let facts = [("parameters", parameters), ("hparams", hparams.to_string())];
            text += &format!("\n\n{}`rung train {}` trains it\n", output::facts(&facts), self.name);
        }
        text
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["layer", "kind", "output", "parameters"]);
        for layer in &self.layers {
            let sides: Vec<_> = layer.output.iter().map(ToString::to_string).collect();
            table.row([layer.name.clone(), what(layer), sides.join("x"), layer.parameters.to_string()]);
        }
        table
    }
}

/// A layer's kind and sizes, and its input where that is not the layer before.
fn what(layer: &Layer) -> String {
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
fn values(domain: &common::space::Domain) -> String {
    use common::space::Domain;
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

/// All presets.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct ModelRows(Vec<ModelReport>);

impl Show for ModelRows {
    fn table(&self) -> String {
        let mut table = Table::new(["name", "start with", "configurations", "what"]);
        for report in &self.0 {
            let (verb, points) = match report.space {
                Some(_) => ("rung run", points_text(report.points)),
                None => ("rung train", "1".to_owned()),
            };
            table.row([report.name, verb, &points, report.summary]);
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["name", "model", "parameters", "points", "summary"]);
        for report in &self.0 {
            table.row([
                report.name,
                report.model.as_str(),
                &report.parameters.map(|n| n.to_string()).unwrap_or_default(),
                &report.points.map(|n| n.to_string()).unwrap_or_default(),
                report.summary,
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_parameters_of_the_report() {
        for (name, parameters) in [
            ("mlp-small", 235_146),
            ("mlp-medium", 575_050),
            ("mlp-large", 903_498),
            ("cnn-4block", 314_730),
            ("cnn-5block", 872_554),
            ("resnet-small", 174_970),
            ("resnet-20", 272_186),
            ("vgg-small", 435_754),
        ] {
            let report = ModelReport::new(named(name).unwrap()).unwrap();
            assert_eq!(report.parameters, Some(parameters), "{name}");
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(&format!(r#""parameters":{parameters}"#)), "{json}");
            assert!(report.table().contains(&count(parameters)), "{name}");
        }
    }

    #[test]
    fn a_search_shows_its_space() {
        let table = ModelReport::new(named("mlp").unwrap()).unwrap().table();
        assert!(table.contains("configurations  202,105,200") && table.contains("layers >= 3"), "{table}");
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest() {
        let failure = named("cnn-4blok").unwrap_err();
        assert_eq!(failure.help.as_deref(), Some("did you mean `cnn-4block`?"));
        assert!(
            named("transformer").unwrap_err().help.is_some_and(|help| help.starts_with("known are mlp, "))
        );
    }
}
