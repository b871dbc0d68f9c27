//! `rung model`: what is known by name, what its models are made of, and stored weights.

mod add;

mod report;

mod stored;

mod words;

use clap::{Args, Subcommand};
use common::preset;
use serde::Serialize;

use self::{
    report::ModelReport,
    stored::{StoredReport, unknown},
    words::points_text,
};
use super::{
    args::{FormatArgs, TargetArgs},
    failure::Failure,
    output::{self, Show, Table},
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
    let stored = stored.into_iter().map(|model| Row::Stored(StoredReport::new(model)));
    output::show(&ModelRows(presets()?.into_iter().chain(stored).collect()), args.output.format)
}

/// Searches, then configurations: a name of both has a row of each.
fn presets() -> Result<Vec<Row>, Failure> {
    let searches = preset::ALL.iter().filter_map(|name| preset::search(name));
    let presets = searches.chain(preset::ALL.iter().filter_map(|name| preset::training(name)));
    presets.map(|preset| ModelReport::new(preset).map(Row::Preset)).collect()
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    if let Some(report) = named(&args.name)? {
        return output::show(&report, args.output.format);
    }
    let models = args.target.target().cluster().await?.models().await?;
    match models.iter().find(|model| model.name.as_str() == args.name) {
        Some(model) => output::show(&StoredReport::new(model.clone()), args.output.format),
        None => Err(unknown(&args.name, "there is no model", preset::ALL, &models)),
    }
}

/// The report on a preset: on the configuration and on the search, where both are called so; none of another name.
fn named(name: &str) -> Result<Option<ModelReport>, Failure> {
    let report = match (preset::training(name), preset::search(name)) {
        (Some(training), Some(search)) => ModelReport::new(training)?.with_space(ModelReport::new(search)?),
        (Some(one), None) | (None, Some(one)) => ModelReport::new(one)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(report))
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

    /// `points` is of a search's space; `configurations` is 1 for a single configuration, and empty where a space is endless.
    fn csv(&self) -> Table {
        let own = ["name", "model", "parameters", "points", "summary"];
        let mut table = Table::new(own.into_iter().chain(["start_with", "configurations"]));
        for row in &self.0 {
            match row {
                Row::Preset(report) => {
                    let points = report.points.map(|n| n.to_string()).unwrap_or_default();
                    let (verb, configurations) = match report.space {
                        Some(_) => ("rung run", points.as_str()),
                        None => ("rung train", "1"),
                    };
                    table.row([
                        report.name,
                        report.model.as_str(),
                        &report.parameters.map(|n| n.to_string()).unwrap_or_default(),
                        &points,
                        report.summary,
                        verb,
                        configurations,
                    ]);
                }
                Row::Stored(stored) => {
                    let (numbers, summary) = (stored.numbers().to_string(), stored.summary());
                    let own = [stored.name(), stored.family(), &numbers, "", &summary];
                    table.row(own.into_iter().chain(["initial_weights", ""]));
                }
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::{super::text::count, *};

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
            let report = named(name).unwrap().unwrap();
            assert_eq!(report.parameters, Some(parameters), "{name}");
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(&format!(r#""parameters":{parameters}"#)), "{json}");
            assert!(report.table().contains(&count(parameters)), "{name}");
        }
    }

    #[test]
    fn a_search_shows_its_space() {
        let table = named("mlp").unwrap().unwrap().table();
        assert!(table.contains("configurations  202,105,200") && table.contains("layers >= 3"), "{table}");
    }

    #[test]
    fn csv_has_the_parameters_of_a_search_and_the_layers_of_a_configuration() {
        let csv = |name: &str| named(name).unwrap().unwrap().csv().to_csv().unwrap();
        let search = csv("mlp");
        let space = preset::search("mlp").unwrap().study.space;
        assert!(search.starts_with("parameter,values,active when\n"), "{search}");
        assert_eq!(search.lines().count(), 1 + space.parameters.len(), "{search}");
        assert!(search.contains("layers >= 3"), "{search}");
        for configuration in ["mlp-small", "mlp-best"] {
            let layers = csv(configuration);
            assert!(
                layers.starts_with("layer,kind,output,parameters\n") && layers.contains("dense_0,"),
                "{layers}"
            );
        }
    }

    #[test]
    fn a_name_of_a_search_and_of_a_configuration_shows_both() {
        let report = named("mlp-best").unwrap().unwrap();
        let table = report.table();
        for text in ["`rung train mlp-best` trains it", "`rung run mlp-best` searches", "weight_decay"] {
            assert!(table.contains(text), "{table}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["parameters"].as_u64() > Some(0) && json["space"].is_array(), "{json}");
        let rows = ModelRows(presets().unwrap()).table();
        let verbs: Vec<&str> = rows.lines().filter(|row| row.starts_with("mlp-best ")).collect();
        assert!(verbs[0].contains("rung run") && verbs[1].contains("rung train"), "{rows}");
        assert_eq!(rows.lines().count(), 1 + preset::ALL.len() + 2, "{rows}");
        let single = named("cnn-5block").unwrap().unwrap().table();
        assert!(single.contains("`rung train cnn-5block`") && !single.contains("rung run"), "{single}");
    }

    #[test]
    fn csv_tells_a_search_from_the_configuration_of_the_same_name() {
        let csv = ModelRows(presets().unwrap()).csv().to_csv().unwrap();
        let head = "name,model,parameters,points,summary,start_with,configurations\n";
        assert!(csv.starts_with(head), "{csv}");
        for name in ["mlp-best,", "cnn-best,"] {
            let rows: Vec<&str> = csv.lines().filter(|row| row.starts_with(name)).collect();
            assert_eq!(rows.len(), 2, "{csv}");
            assert!(rows[0].contains(",rung run,") && rows[1].ends_with(",rung train,1"), "{csv}");
        }
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest() {
        let help = |name| unknown(name, "there is no model", preset::ALL, &[]).help.unwrap();
        assert_eq!(help("cnn-4blok"), "did you mean `cnn-4block`?");
        assert!(help("transformer").starts_with("known are mlp, "));
    }
}
