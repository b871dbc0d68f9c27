//! `rung plan`: brackets, rungs, epochs and cost, before anything is spent.

use clap::{Args, builder::PossibleValuesParser};
use common::{
    nearest::nearest,
    study::{InitialWeights, ModelKind, Rounding, SchedulerSpec, Sizes, StudySpec},
    view::ModelView,
};
use scheduler::{
    Plan,
    plan::{CutReason, PlanCut},
};
use serde::Serialize;

use super::{
    args::{FormatArgs, TargetArgs},
    failure::Failure,
    input::{self, Overrides, StudyArgs},
    output::{self, Show, Table},
    text::{count, plural},
};
use crate::client::Target;

/// Flags of `rung plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// A study file (`-` reads standard input), or a preset's name; without it, Hyperband as the flags say
    #[arg(value_name = "STUDY.yaml|PRESET")]
    study: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// Whose arithmetic sizes brackets and rungs
    #[arg(long, help_heading = "Study", value_parser = PossibleValuesParser::new(["algorithm1", "table1", "keras"]))]
    sizes: Option<String>,
    /// How a rung's epochs are rounded
    #[arg(long, help_heading = "Study", value_parser = PossibleValuesParser::new(["floor", "ceil"]))]
    rounding: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// A study that cuts no plan short: its space has no end.
const ENDLESS: &str = "{name: plan, model: formula, space: {x: {float: [0, 1]}}}";

/// Prints a plan.
pub(super) async fn run(args: PlanArgs) -> Result<(), Failure> {
    let mut overrides = args.overrides;
    for (key, value) in [("scheduler.sizes", args.sizes), ("scheduler.rounding", args.rounding)] {
        overrides.own.extend(value.map(|value| (key.to_owned(), value)));
    }
    let spec = match args.study {
        Some(study) => input::read(&StudyArgs { study, overrides })?,
        None => input::parse("the flags", ENDLESS, &overrides)?,
    };
    let target = args.target.target();
    let spec = with_its_weights(on_its_data(spec, &target).await?, &target).await?;
    let plan = Plan::of(&spec);
    for cut in plan.cuts() {
        output::message(&cut_note(cut, &plan));
    }
    if let Some(note) = grid_note(&spec, &plan) {
        output::message(&note);
    }
    let given = spec.sampler.first().len();
    if given > plan.configs() as usize {
        output::message(&format!(
            "{} of the {given} configurations of `sampler.first` are tried: the plan has no more trials",
            plan.configs()
        ));
    }
    output::show(&PlanReport::new(&spec, &plan), args.output.format)
}

/// The study on data that was added to the cluster, where it is on such data: how many samples that has, and whether the model
/// takes them.
async fn on_its_data(spec: StudySpec, target: &Target) -> Result<StudySpec, Failure> {
    if spec.model == ModelKind::Formula || spec.data.facts().is_some() {
        return Ok(spec);
    }
    let name = spec.data.name.clone();
    match target.cluster().await?.data().await?.into_iter().find(|set| set.name.as_str() == name) {
        Some(set) => spec.on(set.facts).map_err(Failure::bad_input),
        None => {
            output::message(&format!(
                "data set {name} is not in this cluster yet, so its samples are not counted: `rung data add {name} PATH --format FORMAT` adds it"
            ));
            Ok(spec)
        }
    }
}

/// The study with the weights that it begins with, where it begins with any: whether all its models can.
async fn with_its_weights(spec: StudySpec, target: &Target) -> Result<StudySpec, Failure> {
    let Some(initial) = spec.train.initial_weights.as_ref().filter(|_| !spec.is_adopted()) else {
        return Ok(spec);
    };
    let stored = target.cluster().await?.models().await?;
    let meant = |model: &&ModelView| match initial.digest {
        None => model.name == initial.name,
        Some(told) => model.facts.digest == told,
    };
    match stored.iter().find(meant) {
        Some(model) => spec.starting_from(&model.facts).map_err(Failure::bad_input),
        None => {
            output::message(&missing_weights(initial, &stored));
            Ok(spec)
        }
    }
}

/// What is said of weights that a study begins with and the cluster does not have.
fn missing_weights(initial: &InitialWeights, stored: &[ModelView]) -> String {
    let name = &initial.name;
    let near = match initial.digest {
        None => nearest(name.as_str(), stored.iter().map(|model| model.name.as_str())),
        Some(_) => None,
    };
    let digest = initial.digest.map(|told| format!(" (digest {})", told.short())).unwrap_or_default();
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!(
        "weights {name}{digest} are not in this cluster yet: `rung model add {name} FILE` adds them{near}"
    )
}

/// A plan as scripts read it. The keys and their order are fixed.
#[derive(Debug, Serialize)]
struct PlanReport {
    max_epochs: u32,
    eta: Option<u32>,
    sizes: Option<Sizes>,
    brackets: Vec<Bracket>,
    configs: u32,
    evaluations: u64,
    epochs_resumed: u64,
    epochs_retrained: u64,
    /// Samples of an epoch, and of all epochs that are trained; none for the formula, and where the data is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_per_epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_to_train: Option<u64>,
    #[serde(skip)]
    rounding: Option<Rounding>,
}

#[derive(Debug, Serialize)]
struct Bracket {
    s: u32,
    rungs: Vec<Rung>,
}

#[derive(Debug, Serialize)]
struct Rung {
    configs: u32,
    epochs: u32,
}

impl PlanReport {
    fn new(spec: &StudySpec, plan: &Plan) -> Self {
        let hyperband = match &spec.scheduler {
            SchedulerSpec::Hyperband(hyperband) => Some(hyperband),
            SchedulerSpec::Fixed { .. } => None,
        };
        let rung = |rung: &scheduler::RungPlan| Rung { configs: rung.configs, epochs: rung.epochs };
        let bracket = |bracket: &scheduler::BracketPlan| Bracket {
            s: bracket.s,
            rungs: bracket.rungs.iter().map(rung).collect(),
        };
        let samples = input::training_samples(spec);
        Self {
            max_epochs: spec.scheduler.max_epochs(),
            eta: hyperband.map(|hyperband| hyperband.eta),
            sizes: hyperband.map(|hyperband| hyperband.sizes),
            brackets: plan.brackets().iter().map(bracket).collect(),
            configs: plan.configs(),
            evaluations: plan.evaluations(),
            epochs_resumed: plan.epochs_resumed(),
            epochs_retrained: plan.epochs_retrained(),
            samples_per_epoch: samples,
            samples_to_train: samples.map(|samples| plan.epochs_resumed().saturating_mul(samples)),
            rounding: hyperband.map(|hyperband| hyperband.rounding),
        }
    }

    fn title(&self) -> String {
        let word = |value: Option<String>| value.unwrap_or_default().to_lowercase();
        match self.eta {
            Some(eta) => format!(
                "Hyperband: at most {} a trial, one in {eta} promoted, sizes {}, rounding {}",
                plural(self.max_epochs, "epoch"),
                word(self.sizes.map(|sizes| format!("{sizes:?}"))),
                word(self.rounding.map(|rounding| format!("{rounding:?}"))),
            ),
            None if self.configs == 1 => {
                format!("One configuration, trained for {}", plural(self.max_epochs, "epoch"))
            }
            None => format!("Fixed configurations, each trained for {}", plural(self.max_epochs, "epoch")),
        }
    }
}

impl Show for PlanReport {
    fn table(&self) -> String {
        let mut table = Table::new(["bracket", "s", "trials", "rungs: trials × epochs so far"]);
        for (index, bracket) in self.brackets.iter().enumerate() {
            let rungs: Vec<_> = bracket
                .rungs
                .iter()
                .map(|rung| format!("{:>4} × {:<4}", rung.configs, rung.epochs))
                .collect();
            let trials = bracket.rungs.first().map_or(0, |rung| rung.configs);
            table.row([
                index.to_string(),
                bracket.s.to_string(),
                trials.to_string(),
                rungs.join(" ").trim_end().to_owned(),
            ]);
        }
        // Nothing is promoted where trials are listed, or every bracket has one rung.
        let again = match self.epochs_retrained {
            same if same == self.epochs_resumed => String::new(),
            again => format!(" (promoted trials resume; {} if each began again)", count(again)),
        };
        let epochs = count(self.epochs_resumed) + &again;
        let mut facts = vec![
            ("trials", count(self.configs)),
            ("results", count(self.evaluations)),
            ("epochs to train", epochs),
        ];
        if let Some((total, samples)) = self.samples_to_train.zip(self.samples_per_epoch) {
            facts.push(("samples to train", format!("{} ({} an epoch)", count(total), count(samples))));
        }
        format!("{}\n\n{}\n\n{}", self.title(), table.render(), output::facts(&facts))
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["bracket", "s", "rung", "configs", "epochs"]);
        for (b, bracket) in self.brackets.iter().enumerate() {
            for (r, rung) in bracket.rungs.iter().enumerate() {
                table.row([b as u32, bracket.s, r as u32, rung.configs, rung.epochs].map(|n| n.to_string()));
            }
        }
        table
    }
}

/// Says how much of a grid a plan tries, where that is not all of it.
fn grid_note(spec: &StudySpec, plan: &Plan) -> Option<String> {
    let (tried, points) = (u64::from(plan.configs()), u64::try_from(spec.space.points()?).ok()?);
    let iterated = matches!(spec.scheduler, SchedulerSpec::Hyperband(_));
    (iterated && spec.sampler.is_grid() && tried < points).then(|| {
        format!(
            "{} of the grid's {} points are tried: `scheduler.iterations` tries more",
            count(tried),
            count(points)
        )
    })
}

/// Says what a limit does to a plan, by the bracket's number in the table; one that is left out has none.
fn cut_note(cut: &PlanCut, plan: &Plan) -> String {
    let reason = match cut.reason {
        CutReason::Space => "the space has no more points",
        CutReason::MaxTrials => "budget.max_trials",
        CutReason::TotalEpochs => "budget.total_epochs",
        CutReason::TooLarge => "no plan may have more trials",
    };
    let is_cut = |bracket: &scheduler::BracketPlan| (bracket.s, bracket.iteration) == (cut.s, cut.iteration);
    let (s, planned) = (cut.s, plural(cut.planned, "trial"));
    match plan.brackets().iter().position(is_cut) {
        Some(number) => format!("bracket {number} (s={s}) has {} of {planned}: {reason}", cut.kept),
        None => format!("a bracket of s={s} and {planned} is left out: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use common::{
        checkpoint::Digest,
        time::Timestamp,
        weights::{Shapes, WeightsFacts},
    };

    use super::*;

    fn report(overrides: Overrides) -> PlanReport {
        let spec = input::parse("a test", ENDLESS, &overrides).unwrap();
        PlanReport::new(&spec, &Plan::of(&spec))
    }

    #[test]
    fn json_is_exactly_what_scripts_rely_on() {
        let report = report(Overrides { max_epochs: Some(9), eta: Some(3), ..Overrides::default() });
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"max_epochs":9,"eta":3,"sizes":"algorithm1","brackets":["#,
                r#"{"s":2,"rungs":[{"configs":9,"epochs":1},{"configs":3,"epochs":3},{"configs":1,"epochs":9}]},"#,
                r#"{"s":1,"rungs":[{"configs":5,"epochs":3},{"configs":1,"epochs":9}]},"#,
                r#"{"s":0,"rungs":[{"configs":3,"epochs":9}]}],"#,
                r#""configs":17,"evaluations":22,"epochs_resumed":69,"epochs_retrained":78}"#
            )
        );
    }

    #[test]
    fn json_has_the_samples_of_the_table() {
        let spec = StudySpec::from_yaml("{name: s, model: mlp, space: mlp}").unwrap();
        let plan = PlanReport::new(&spec, &Plan::of(&spec));
        let json = serde_json::to_value(&plan).unwrap();
        let (each, all) = (54_000, plan.epochs_resumed * 54_000);
        assert_eq!(
            (&json["samples_per_epoch"], &json["samples_to_train"]),
            (&each.into(), &all.into()),
            "{json}"
        );
        let row = format!("samples to train  {} (54,000 an epoch)", count(all));
        assert!(plan.table().contains(&row), "{}", plan.table());
        let formula = serde_json::to_value(report(Overrides::default())).unwrap();
        assert!(formula.get("samples_per_epoch").is_none(), "{formula}");
    }

    #[test]
    fn one_configuration_is_no_list() {
        let title = |trials: &str| {
            let scheduler = format!("{{kind: fixed, epochs: 3, trials: [{trials}]}}");
            let text = format!("{{name: s, model: mlp, scheduler: {scheduler}}}");
            let spec = StudySpec::from_yaml(&text).unwrap();
            PlanReport::new(&spec, &Plan::of(&spec)).title()
        };
        let trial = "{hparams: {layers: 1, units: 8}}";
        assert_eq!(title(trial), "One configuration, trained for 3 epochs");
        let two = title(&format!("{trial}, {trial}"));
        assert_eq!(two, "Fixed configurations, each trained for 3 epochs");
    }

    #[test]
    fn nothing_is_promoted_where_trials_are_listed() {
        let text =
            "{name: s, model: mlp, scheduler: {kind: fixed, epochs: 4, trials: [{hparams: {layers: 0}}]}}";
        let spec = StudySpec::from_yaml(text).unwrap();
        let table = PlanReport::new(&spec, &Plan::of(&spec)).table();
        assert!(table.contains("epochs to train   4\n"), "{table}");
    }

    #[tokio::test]
    async fn weights_that_are_not_there_are_told_of_before_anything_runs() {
        let state = tempfile::tempdir().unwrap();
        let target = Target { state: Some(state.path().join("none")), ..Target::default() };
        let text = "{name: s, model: resnet, space: {width: {choice: [8]}}, train: {initial_weights: nt}}";
        let spec = StudySpec::from_yaml(text).unwrap();
        assert_eq!(with_its_weights(spec.clone(), &target).await.unwrap(), spec);
        let mut initial = spec.train.initial_weights.unwrap();
        let facts = WeightsFacts { digest: Digest::of(b"net"), tensors: Shapes::new(), origin: None };
        let net = ModelView { name: "net".parse().unwrap(), facts, size: 1, created: Timestamp(1) };
        let unknown = "weights nt are not in this cluster yet: `rung model add nt FILE` adds them";
        assert_eq!(missing_weights(&initial, &[]), unknown);
        assert_eq!(
            missing_weights(&initial, std::slice::from_ref(&net)),
            format!("{unknown}; did you mean `net`?")
        );
        initial.digest = Some(Digest::of(b"other"));
        let other = missing_weights(&initial, &[net]);
        assert!(other.starts_with("weights nt (digest ") && other.ends_with(" adds them"), "{other}");
    }

    #[test]
    fn a_cut_names_the_bracket_as_the_table_does() {
        let notes = |most: u32| -> Vec<String> {
            let text = format!(
                "{{name: s, model: formula, space: {{x: {{float: [0, 1]}}}}, budget: {{max_trials: {most}}}, \
                 scheduler: {{kind: hyperband, max_epochs: 9, eta: 3}}}}"
            );
            let plan = Plan::of(&StudySpec::from_yaml(&text).unwrap());
            plan.cuts().iter().map(|cut| cut_note(cut, &plan)).collect()
        };
        assert_eq!(notes(3), ["bracket 0 (s=2) has 3 of 9 trials: budget.max_trials"]);
        assert_eq!(notes(11), ["bracket 1 (s=1) has 2 of 5 trials: budget.max_trials"]);
    }

    #[test]
    fn the_paper_s_plan_costs_what_it_should() {
        let report = report(Overrides::default());
        let totals = (report.configs, report.evaluations, report.epochs_resumed, report.epochs_retrained);
        assert_eq!(totals, (143, 206, 1581, 1902));
        assert!(report.table().contains("1,581 (promoted trials resume; 1,902 if each began again)"));
    }

    #[test]
    fn csv_has_a_line_for_each_rung() {
        let csv = report(Overrides { max_epochs: Some(3), ..Overrides::default() }).csv().to_csv().unwrap();
        assert_eq!(csv, "bracket,s,rung,configs,epochs\n0,1,0,3,1\n0,1,1,1,3\n1,0,0,2,3\n");
    }

    #[test]
    fn flags_that_make_no_sense_are_bad_input() {
        for overrides in [
            Overrides { eta: Some(1), ..Overrides::default() },
            Overrides { max_epochs: Some(0), ..Overrides::default() },
        ] {
            let failure = input::parse("the flags", ENDLESS, &overrides).unwrap_err();
            assert_eq!(failure.code, super::super::failure::Code::BadInput, "{}", failure.message);
        }
    }
}
