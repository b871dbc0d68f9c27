//! `rung trial`: a study's trials and their learning curves.

use clap::{Args, Subcommand};
use common::{ids::TrialNumber, metrics::CurvePoint, view::TrialView};
use serde::Serialize;

use super::{
    args::{FormatArgs, StudyRef, TargetArgs},
    failure::Failure,
    output::{self, Show, Table},
    rows::{TrialRow, TrialRows, test_facts},
    text::{exact, metric, plural, rate},
};

/// Flags of `rung trial`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct TrialArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bracket, rung, epochs, state, value, worker and hyperparameters of each trial
    List(ListArgs),
    /// One trial and its learning curve
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Name, id or the unique beginning of either; `@last` is the latest study
    #[arg(value_name = "STUDY", default_value = "@last")]
    study: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    study: StudyRef,
    /// The trial's number
    #[arg(value_name = "TRIAL")]
    trial: u32,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Lists or shows trials.
pub(super) async fn run(args: TrialArgs) -> Result<(), Failure> {
    match args.verb {
        None => list(args.list).await,
        Some(Verb::List(args)) => list(args).await,
        Some(Verb::Show(args)) => show(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let cluster = args.target.target().cluster().await?;
    let trials = cluster.trials(&args.study).await?;
    if trials.is_empty() {
        output::message("no trial has begun yet");
    }
    output::show(&TrialRows::new(&trials), args.output.format)
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    let cluster = args.target.target().cluster().await?;
    let (trial, curve) = cluster.trial(&args.study.study, TrialNumber(args.trial)).await?;
    output::show(&TrialReport::new(&trial, curve), args.output.format)
}

/// A trial and its curve.
#[derive(Debug, Serialize)]
struct TrialReport {
    #[serde(flatten)]
    row: TrialRow,
    seed: u64,
    early_stopped: bool,
    failure: Option<String>,
    curve: Vec<CurvePoint>,
    #[serde(skip)]
    facts: Vec<(&'static str, String)>,
}

impl TrialReport {
    fn new(trial: &TrialView, curve: Vec<CurvePoint>) -> Self {
        Self {
            row: trial.into(),
            seed: trial.seed,
            early_stopped: trial.early_stopped,
            failure: trial.failure.clone(),
            curve,
            facts: facts(trial),
        }
    }
}

fn facts(trial: &TrialView) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("trial", trial.trial.to_string()),
        ("state", trial.state.to_string()),
        ("place", format!("bracket {}, rung {}", trial.bracket, trial.rung)),
        ("epochs", trial.epochs.to_string()),
        ("value", metric(trial.value)),
        ("hparams", trial.hparams.to_string()),
        ("seed", trial.seed.to_string()),
        ("attempts", plural(trial.attempts, "lease")),
    ];
    if let Some(worker) = &trial.worker {
        facts.push(("worker", worker.to_string()));
    }
    if let Some(checkpoint) = &trial.checkpoint {
        facts.push(("weights", checkpoint.weights.to_string()));
    }
    facts.extend(trial.evaluation.iter().flat_map(|evaluation| test_facts(&evaluation.test.metrics)));
    if trial.early_stopped {
        facts.push(("note", "early stopping has ended its training".to_owned()));
    }
    if let Some(failure) = &trial.failure {
        facts.push(("failure", failure.clone()));
    }
    facts
}

impl Show for TrialReport {
    fn table(&self) -> String {
        let mut text = output::facts(&self.facts);
        if self.curve.is_empty() {
            return text + "\nno epoch has ended yet\n";
        }
        let names =
            ["epoch", "train_loss", "train_acc", "val_loss", "val_acc", "macro_f1", "rate", "seconds"];
        let mut table = Table::new(names);
        for CurvePoint { epoch, metrics, learning_rate, seconds } in &self.curve {
            table.row([
                epoch.to_string(),
                metric(Some(metrics.train_loss)),
                metric(Some(metrics.train_accuracy)),
                metric(Some(metrics.val_loss)),
                metric(Some(metrics.val_accuracy)),
                metric(Some(metrics.val_macro_f1)),
                rate(*learning_rate),
                format!("{seconds:.2}"),
            ]);
        }
        text += "\n";
        text + &table.render()
    }

    /// The curve: a row for each epoch.
    fn csv(&self) -> Table {
        let names = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_macro_f1"];
        let mut table = Table::new(names.into_iter().chain(["learning_rate", "seconds"]));
        for point in &self.curve {
            let metrics = &point.metrics;
            let numbers = [
                metrics.train_loss,
                metrics.train_accuracy,
                metrics.val_loss,
                metrics.val_accuracy,
                metrics.val_macro_f1,
                point.learning_rate,
                point.seconds,
            ];
            let cells = numbers.map(|number| exact(Some(number)));
            table.row([point.epoch.to_string()].into_iter().chain(cells));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use common::{
        evaluation::{Evaluation, Scored},
        metrics::TestMetrics,
    };

    use super::*;
    use crate::cli::fixture;

    fn report() -> TrialReport {
        TrialReport::new(&fixture::trial(3), vec![fixture::point(1)])
    }

    #[test]
    fn a_value_that_is_no_number_is_null_or_empty() {
        let json = serde_json::to_string(&report()).unwrap();
        assert!(
            json.contains(r#""curve":[{"epoch":1,"metrics":{"train_loss":null,"train_accuracy":0.5"#),
            "{json}"
        );
        let csv = report().csv().to_csv().unwrap();
        assert_eq!(csv.lines().last(), Some("1,,0.5,0.25,0.75,0.7,0.001,1.5"));
    }

    #[test]
    fn the_table_shows_the_trial_and_its_curve() {
        let table = report().table();
        assert!(table.contains("attempts  2 leases") && table.contains("0.7500"), "{table}");
        assert!(!table.contains("test"), "{table}");
    }

    #[test]
    fn a_trial_that_was_measured_shows_its_test() {
        let metrics = TestMetrics { accuracy: 0.875, loss: 0.5, clean: None };
        let test = Scored { metrics, probabilities: None };
        let evaluation = Some(Evaluation { epoch: 9, test, validation: None });
        let report = TrialReport::new(&TrialView { evaluation, ..fixture::trial(3) }, Vec::new());
        assert!(report.table().contains("test      accuracy 0.8750, loss 0.5000\n"), "{}", report.table());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["test"], serde_json::json!({"accuracy": 0.875, "loss": 0.5}));
    }
}
