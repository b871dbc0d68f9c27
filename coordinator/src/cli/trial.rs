//! `rung trial`: a study's trials and their learning curves.

use clap::{
    Args, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use common::{
    hparams::Scalar,
    ids::TrialNumber,
    metrics::{CurvePoint, Goal},
    trial::TrialState,
    view::TrialView,
};
use serde::Serialize;

use super::{
    args::{FormatArgs, LatestRef, StudyRef, TargetArgs},
    failure::Failure,
    input::whole,
    output::{self, Format, Show, Table},
    rows::{TrialRow, TrialRows, test_facts},
    text::{exact, metric, rate},
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
    /// Bracket, rung, epochs, state, value, worker and hyperparameters of each trial, and why it failed
    List(ListArgs),
    /// One trial and its learning curve
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    study: LatestRef,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Which trials are listed, and in which order.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Trials")]
struct Choice {
    /// By number, or by value: the best first, whatever its epochs, and those without a value last
    #[arg(long, value_enum, default_value_t)]
    sort: Order,
    /// Only trials in these states
    #[arg(long, value_name = "STATE", value_parser = state(), value_delimiter = ',')]
    only: Vec<TrialState>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::from(u32::MAX)))]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Order {
    #[default]
    Number,
    Value,
}

/// Takes the name of a trial's state.
fn state() -> impl TypedValueParser<Value = TrialState> {
    let names = PossibleValuesParser::new(TrialState::ALL.map(TrialState::as_str));
    names.try_map(|name| name.parse::<TrialState>())
}

impl Choice {
    /// The trials that are meant, in their order.
    fn of(&self, mut trials: Vec<TrialView>, goal: Goal) -> Vec<TrialView> {
        trials.retain(|trial| self.only.is_empty() || self.only.contains(&trial.state));
        if self.sort == Order::Value {
            let value = |trial: &TrialView| trial.value.unwrap_or(f64::NAN);
            trials.sort_by(|a, b| goal.compare(value(a), value(b)).then(a.trial.cmp(&b.trial)));
        }
        trials.truncate(self.limit.unwrap_or(usize::MAX));
        trials
    }
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    study: StudyRef,
    /// The trial's number
    #[arg(value_name = "TRIAL", value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
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
    let (study, _) = cluster.study(&args.study.study).await?;
    let trials = cluster.trials(study.id.as_str()).await?;
    if trials.is_empty() {
        output::message("no trial has begun yet");
    }
    let mut trials = args.choice.of(trials, study.goal);
    if args.output.format == Format::Table {
        trials.iter_mut().for_each(shorten);
    }
    output::show(&TrialRows::new(&trials), args.output.format)
}

/// Leaves four digits that count of a trial's real hyperparameters: all of them, as CSV, JSON and `rung trial show` have them,
/// would make a table's rows too long to compare.
fn shorten(trial: &mut TrialView) {
    for value in trial.hparams.0.values_mut() {
        if let Scalar::Float(number) = value {
            *number = format!("{number:.3e}").parse().unwrap_or(*number);
        }
    }
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
        ("leases", trial.attempts.to_string()),
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
        let mut table = Table::new(["epoch"].into_iter().chain(CurvePoint::COLUMNS));
        for point in &self.curve {
            let cells = point.numbers().map(|number| exact(Some(number)));
            table.row([point.epoch.to_string()].into_iter().chain(cells));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use common::{
        evaluation::{Evaluation, Scored},
        metrics::TestMetrics,
    };

    use super::*;
    use crate::cli::{Cli, fixture};

    fn report() -> TrialReport {
        TrialReport::new(&fixture::trial(3), vec![fixture::point(1)])
    }

    #[test]
    fn trials_are_chosen_by_state_and_put_in_order() {
        let trial = |number, state, value| TrialView { state, value, ..fixture::trial(number) };
        let trials = [
            trial(0, TrialState::Stopped, Some(0.9)),
            trial(1, TrialState::Pending, None),
            trial(2, TrialState::Completed, Some(0.8)),
            trial(3, TrialState::Completed, Some(0.9)),
        ];
        let numbers = |choice: Choice, goal| -> Vec<u32> {
            choice.of(trials.to_vec(), goal).iter().map(|trial| trial.trial.0).collect()
        };
        let by_value = || Choice { sort: Order::Value, ..Choice::default() };
        assert_eq!(numbers(Choice::default(), Goal::Maximize), [0, 1, 2, 3]);
        assert_eq!(numbers(by_value(), Goal::Maximize), [0, 3, 2, 1]);
        assert_eq!(numbers(by_value(), Goal::Minimize), [2, 0, 3, 1]);
        let completed = Choice { only: vec![TrialState::Completed], limit: Some(1), ..by_value() };
        assert_eq!(numbers(completed, Goal::Maximize), [3]);
    }

    #[test]
    fn a_table_has_four_digits_of_a_float() {
        let mut trial = fixture::trial(3);
        for (name, value) in [("lr", 0.002_606_208_068_816_641_2), ("decay", 1.234_56e-7), ("dropout", 0.5)] {
            trial.hparams.0.insert(name.to_owned(), Scalar::Float(value));
        }
        shorten(&mut trial);
        assert_eq!(
            trial.hparams.to_string(),
            "decay=1.235e-7 dropout=0.5 layers=2 lr=0.002606 units_0=256 units_1=128"
        );
    }

    #[test]
    fn a_number_that_makes_no_sense_is_told_what_does() {
        let said = |line: &str| {
            let refused = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{line}");
            refused.to_string()
        };
        assert!(said("rung trial list --limit 0").contains("a whole number from 1 to "));
        assert!(said("rung trial show @last x").contains("a whole number from 0 to 4294967295 is expected"));
        assert!(said("rung run mnist --local 1025").contains("a whole number from 0 to 1024 is expected"));
        assert!(
            said("rung predict @last x.png --top 0").contains("a whole number from 1 to 1000 is expected")
        );
        assert!(said("rung export --to csv --out x --trial best").contains("a whole number from 0 to "));
        assert!(said("rung evaluate @last --shift-averaging 1.5").contains("a whole number from 0 to "));
        Cli::try_parse_from(["rung", "trial", "list", "--limit", "1"]).unwrap();
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
        assert!(table.contains("leases   2\n") && table.contains("0.7500"), "{table}");
        assert!(!table.contains("test"), "{table}");
    }

    #[test]
    fn a_trial_that_was_measured_shows_its_test() {
        let metrics = TestMetrics { accuracy: 0.875, loss: 0.5, clean: None };
        let test = Scored { metrics, probabilities: None };
        let evaluation = Some(Evaluation { epoch: 9, test, validation: None });
        let report = TrialReport::new(&TrialView { evaluation, ..fixture::trial(3) }, Vec::new());
        assert!(report.table().contains("test     accuracy 0.8750, loss 0.5000\n"), "{}", report.table());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["test"], serde_json::json!({"accuracy": 0.875, "loss": 0.5}));
    }
}
