//! `rung ensemble`: several models of one study, and what they say together.

mod plan;

mod gather;

mod report;

mod write;

mod summary;

pub(super) use summary::summary;

use clap::{Args, ValueEnum};
use common::{
    ballot::Vote,
    model_file::ModelFile,
    split::Parts,
    study::{DataSpec, Split, StudySpec},
    view::{StudyPhase, StudyView},
};
use tempfile::TempDir;

use super::{
    args::{StudyRef, key_value},
    failure::Failure,
    files,
    input::whole,
    output,
    run::{self, Options},
};
use crate::{
    client::Cluster,
    ensemble::{Objective, Truth, compare},
};

use gather::Gathered;
use plan::Plan;
use report::EnsembleReport;

/// Flags of `rung ensemble`.
#[derive(Debug, Args)]
pub(super) struct EnsembleArgs {
    #[command(flatten)]
    study: StudyRef,
    #[command(flatten)]
    members: MemberArgs,
    /// How the members vote [default: what is best on the validation part]
    #[arg(long, value_enum, value_name = "VOTE")]
    vote: Option<VoteArg>,
    #[command(flatten)]
    options: Options,
}

/// Who the members are.
#[derive(Debug, Args)]
struct MemberArgs {
    /// How many members [default: 15]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=1000))]
    members: Option<u32>,
    /// What members are [default: seeds]
    #[arg(long, value_enum, value_name = "FROM")]
    from: Option<Origin>,
    /// Epochs that each member trains for [default: as many as the best trial]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=100_000))]
    epochs: Option<u32>,
    /// Replaces any value of the ensemble's study, for example train.batch_size=64 or seed=7
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

impl MemberArgs {
    /// Whether any flag says who the members are.
    fn choose(&self) -> bool {
        self.members.is_some() || self.from.is_some() || self.epochs.is_some() || !self.set.is_empty()
    }
}

/// Where members come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Origin {
    /// The best configuration, trained again with different seeds.
    #[default]
    Seeds,
    /// The study's top trials as they are: nothing is trained.
    Trials,
}

/// How members vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum VoteArg {
    /// The mean of the members' probabilities.
    Soft,
    /// One vote each; ties go to the larger summed probability.
    Hard,
    /// The mean of members picked greedily on the validation part, some of them several times.
    Greedy,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Trials => "trials",
        }
    }
}

impl VoteArg {
    fn vote(self) -> Vote {
        match self {
            Self::Soft => Vote::Soft,
            Self::Hard => Vote::Hard,
            Self::Greedy => Vote::Greedy,
        }
    }
}

/// Makes an ensemble of a study, or shows one that is there.
pub(super) async fn run(args: EnsembleArgs) -> Result<(), Failure> {
    let EnsembleArgs { study, members, vote, options } = args;
    let cluster = options.target.target().cluster().await?;
    let plan = plan::of(&cluster, &study.study, &members).await?;
    if let Some(folder) = &options.out {
        files::check_apart(folder, ModelFile::NAME)?;
    }
    let labelled = Labelled::of(&cluster, &plan.spec.data).await?;
    let (format, out) = (options.output.format, options.out.clone());
    let Plan { spec, finished, .. } = plan;
    let show = async |cluster: Cluster, view: &StudyView, asked: &DataSpec| {
        // With --resume it is what it was when it began, whatever is asked for now.
        let (_, spec) = cluster.study(view.id.as_str()).await?;
        let labelled = match asked.agrees(&spec.data) {
            true => labelled,
            false => Labelled::of(&cluster, &spec.data).await?,
        };
        let parent = plan::parent(&cluster, &spec).await?;
        let plan = Plan { spec, parent, finished: None };
        let (report, gathered) = assemble(&cluster, view, (&plan, &labelled), vote).await?;
        // Files first: nobody may read what is shown.
        let written = match &out {
            Some(folder) => {
                let of = (&report, &gathered, &labelled);
                Some((write::write(&cluster, (view, &plan.spec), of, folder).await, folder))
            }
            None => None,
        };
        let shown = output::show(&report, format);
        if let Some((written, folder)) = written {
            output::message(&format!("wrote {} to {}", write::listed(&written?), folder.display()));
        }
        shown
    };
    match &finished {
        Some(view) => show(cluster, view, &spec.data).await,
        None => {
            let data = spec.data.clone();
            run::tune_then(spec, options, async |done| show(done.cluster, done.study, &data).await).await
        }
    }
}

/// A folder with the files of a finished ensemble as `--out` writes them, which is deleted with the value. Where no vote is asked
/// for it is the one that is best on validation.
pub(super) async fn unpacked(
    cluster: &Cluster,
    view: &StudyView,
    spec: &StudySpec,
    vote: Option<VoteArg>,
) -> Result<TempDir, Failure> {
    let name = &view.name;
    if view.phase != StudyPhase::Finished {
        let failure = Failure::bad_input(format!("ensemble {name} is not finished, so it has no vote yet"));
        return Err(failure.help(format!("`rung study wait {name}` waits")));
    }
    let parent = plan::parent(cluster, spec).await?;
    let plan = Plan { spec: spec.clone(), parent, finished: Some(view.clone()) };
    let labelled = Labelled::of(cluster, &spec.data).await?;
    let (report, mut gathered) =
        assemble(cluster, view, (&plan, &labelled), vote).await.map_err(|failure| {
            let help = format!(
                "`rung export {name} --to safetensors --trial N --out DIR` writes one member's model"
            );
            if failure.help.is_none() { failure.help(help) } else { failure }
        })?;
    gathered.members.retain(|member| report.counts(member.trial));
    let folder = tempfile::tempdir()?;
    write::write(cluster, (view, spec), (&report, &gathered, &labelled), folder.path()).await?;
    Ok(folder)
}

/// Gathers what the members say and compares their votes.
async fn assemble(
    cluster: &Cluster,
    view: &StudyView,
    (plan, labelled): (&Plan, &Labelled),
    vote: Option<VoteArg>,
) -> Result<(EnsembleReport, Gathered), Failure> {
    if view.phase != StudyPhase::Finished {
        return Err(Failure::failed(format!("ensemble {} is not finished", view.name)));
    }
    let gathered = gather::gather(cluster, view, labelled).await?;
    let failed = gathered.failures();
    let objective = Objective { metric: view.metric, goal: view.goal };
    let asked = vote.map(VoteArg::vote);
    let Some(comparison) = compare(&gathered.members, &labelled.truth, objective, asked) else {
        return Err(Failure::failed(format!("no member of ensemble {} is left: {failed}", view.name)));
    };
    if !failed.is_empty() {
        let (left, planned) = (gathered.members.len(), gathered.planned);
        output::message(&format!("{left} of {planned} members vote; left out are {failed}"));
    }
    let report = EnsembleReport::new(view, plan, (&gathered, labelled), (comparison, asked.is_some()));
    Ok((report, gathered))
}

/// The true classes of the parts that members are measured on, and what the classes are called.
#[derive(Debug)]
struct Labelled {
    classes: Vec<String>,
    truth: Truth,
}

impl Labelled {
    /// Those of a study's data.
    async fn of(cluster: &Cluster, spec: &DataSpec) -> Result<Self, Failure> {
        let dataset = super::data::of_study(cluster, spec).await?;
        let (train, test) = (&dataset.train.labels, &dataset.test.labels);
        let parts = Parts::of(spec, (train, test), dataset.classes.len(), &dataset.digest);
        let paper = spec.split == Split::Paper;
        let judged = if paper { test } else { train };
        let validation = parts.validation.iter().map(|row| judged[*row as usize]).collect();
        let validated = parts.validation.into_iter().filter(|_| paper).collect();
        let truth = Truth { validation, test: dataset.test.labels, validated };
        Ok(Self { classes: dataset.classes, truth })
    }
}
