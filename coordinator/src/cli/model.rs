//! `rung model`: what is known by name, and what its models are made of.

mod report;

use clap::{Args, Subcommand};
use common::{nearest::nearest, preset};
use serde::Serialize;

use super::{
    args::FormatArgs,
    failure::Failure,
    output::{self, Show, Table},
};

use report::{ModelReport, points_text};

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
        Some(Verb::Show(args)) => output::show(&named(&args.name)?, args.output.format),
    }
}

fn list(output: FormatArgs) -> Result<(), Failure> {
    output::show(&all()?, output.format)
}

/// Searches, then configurations: a name of both has a row of each.
fn all() -> Result<ModelRows, Failure> {
    let searches = preset::ALL.iter().filter_map(|name| preset::search(name));
    let presets = searches.chain(preset::ALL.iter().filter_map(|name| preset::training(name)));
    Ok(ModelRows(presets.map(ModelReport::new).collect::<Result<_, _>>()?))
}

/// The report on a name: on the configuration and on the search, where both are called so.
fn named(name: &str) -> Result<ModelReport, Failure> {
    let report = match (preset::training(name), preset::search(name)) {
        (Some(training), Some(search)) => ModelReport::new(training)?.with_space(ModelReport::new(search)?),
        (Some(one), None) | (None, Some(one)) => ModelReport::new(one)?,
        (None, None) => {
            let failure = Failure::bad_input(format!("there is no model `{name}`"));
            return Err(match nearest(name, preset::ALL.iter().copied()) {
                Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
                None => failure.help(format!("known are {}", preset::ALL.join(", "))),
            });
        }
    };
    Ok(report)
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
            let report = named(name).unwrap();
            assert_eq!(report.parameters, Some(parameters), "{name}");
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(&format!(r#""parameters":{parameters}"#)), "{json}");
            assert!(report.table().contains(&count(parameters)), "{name}");
        }
    }

    #[test]
    fn a_search_shows_its_space() {
        let table = named("mlp").unwrap().table();
        assert!(table.contains("configurations  202,105,200") && table.contains("layers >= 3"), "{table}");
    }

    #[test]
    fn a_name_of_a_search_and_of_a_configuration_shows_both() {
        let report = named("mlp-best").unwrap();
        let table = report.table();
        for text in ["`rung train mlp-best` trains it", "`rung run mlp-best` searches", "weight_decay"] {
            assert!(table.contains(text), "{table}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["parameters"].as_u64() > Some(0) && json["space"].is_array(), "{json}");
        let rows = all().unwrap().table();
        let verbs: Vec<&str> = rows.lines().filter(|row| row.starts_with("mlp-best ")).collect();
        assert!(verbs[0].contains("rung run") && verbs[1].contains("rung train"), "{rows}");
        assert_eq!(rows.lines().count(), 1 + preset::ALL.len() + 1, "{rows}");
        let single = named("cnn-best").unwrap().table();
        assert!(single.contains("`rung train cnn-best`") && !single.contains("rung run"), "{single}");
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
