//! `rung model`: what is known by name, what its models are made of, and stored weights.

mod add;

mod stored;

mod words;

use clap::{Args, Subcommand};
use common::{
    hparams::Hparams,
    model_spec::{DataShape, Layer, ModelSpec},
    preset::{self, Preset},
    space::SearchSpace,
    study::{ModelKind, SchedulerSpec},
};
use serde::Serialize;

use self::{
    stored::{StoredReport, unknown},
    words::{points_text, values, what},
};
use super::{
    args::{FormatArgs, TargetArgs},
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
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Presets: searches for `rung run`, single configurations for `rung train`; and stored weights
    List(ListArgs),
    /// Layers, shapes and parameters of a preset, or the tensors of stored weights
    Show(ShowArgs),
    /// Store weights in the cluster, for studies to begin with
    ///
    /// The file is read where this runs; a study that says `train: {initial_weights: NAME}` begins with what was
    /// stored, on any worker.
    Add(add::AddArgs),
    /// Remove stored weights that no unfinished study begins with
    Remove(add::RemoveArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The name of a preset or of stored weights
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Lists, shows, adds or removes models.
pub(super) async fn run(args: ModelArgs) -> Result<(), Failure> {
    match args.verb {
        None => list(args.list).await,
        Some(Verb::List(args)) => list(args).await,
        Some(Verb::Show(args)) => show(args).await,
        Some(Verb::Add(args)) => add::run(args).await,
        Some(Verb::Remove(args)) => add::remove(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let stored = args.target.target().cluster().await?.models().await?;
    let presets = preset::ALL.iter().filter_map(|name| preset::preset(name));
    let presets = presets.map(|preset| ModelReport::new(preset).map(Row::Preset));
    let stored = stored.into_iter().map(|model| Ok(Row::Stored(StoredReport::new(model))));
    output::show(&ModelRows(presets.chain(stored).collect::<Result<_, Failure>>()?), args.output.format)
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    if let Some(preset) = preset::preset(&args.name) {
        return output::show(&ModelReport::new(preset)?, args.output.format);
    }
    let models = args.target.target().cluster().await?.models().await?;
    match models.iter().find(|model| model.name.as_str() == args.name) {
        Some(model) => output::show(&StoredReport::new(model.clone()), args.output.format),
        None => Err(unknown(&args.name, "there is no model", preset::ALL, &models)),
    }
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

/// All presets and stored weights.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct ModelRows(Vec<Row>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row {
    Preset(ModelReport),
    Stored(StoredReport),
}

impl Show for ModelRows {
    fn table(&self) -> String {
        let mut table = Table::new(["name", "start with", "configurations", "what"]);
        for row in &self.0 {
            match row {
                Row::Preset(report) => {
                    let (verb, points) = match report.space {
                        Some(_) => ("rung run", points_text(report.points)),
                        None => ("rung train", "1".to_owned()),
                    };
                    table.row([report.name, verb, &points, report.summary]);
                }
                Row::Stored(stored) => {
                    table.row([stored.name(), "initial_weights", "", &stored.summary()]);
                }
            }
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["name", "model", "parameters", "points", "summary"]);
        for row in &self.0 {
            match row {
                Row::Preset(report) => table.row([
                    report.name,
                    report.model.as_str(),
                    &report.parameters.map(|n| n.to_string()).unwrap_or_default(),
                    &report.points.map(|n| n.to_string()).unwrap_or_default(),
                    report.summary,
                ]),
                Row::Stored(stored) => {
                    let numbers = stored.numbers().to_string();
                    table.row([stored.name(), stored.family(), &numbers, "", &stored.summary()]);
                }
            }
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
            let report = ModelReport::new(preset::preset(name).unwrap()).unwrap();
            assert_eq!(report.parameters, Some(parameters), "{name}");
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(&format!(r#""parameters":{parameters}"#)), "{json}");
            assert!(report.table().contains(&count(parameters)), "{name}");
        }
    }

    #[test]
    fn a_search_shows_its_space() {
        let table = ModelReport::new(preset::preset("mlp").unwrap()).unwrap().table();
        assert!(table.contains("configurations  202,105,200") && table.contains("layers >= 3"), "{table}");
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest() {
        let help = |name| unknown(name, "there is no model", preset::ALL, &[]).help.unwrap();
        assert_eq!(help("cnn-4blok"), "did you mean `cnn-4block`?");
        assert!(help("transformer").starts_with("known are mlp, "));
    }
}
