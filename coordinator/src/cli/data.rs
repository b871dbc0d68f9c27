//! `rung data`: data sets, what is in them, whether they are whole, and one's own.

mod add;

mod list;

mod pictures;

mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use common::{checkpoint::Digest, ids::DataName, nearest::nearest, study::DataSpec, view::DataView};
use data::{Dataset, Sources};
use serde::Serialize;

use super::{
    args::{FormatArgs, TargetArgs},
    embedded::with_coordinator,
    failure::Failure,
    output::{self, Show, Table},
};
use crate::client::{ClientError, Cluster, Remote, Target};

/// Flags of `rung data`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Data sets that are known or were added, and where they are
    List(ListArgs),
    /// Sizes, classes and how many samples each class has; as pictures too
    Show(ShowArgs),
    /// Compare every file, or the packed object, with its checksum
    Verify(NameArgs),
    /// Pack one's own data and store it in the cluster
    ///
    /// Files are read where this runs; a study that says `data: {name: NAME}` trains on what was stored, on any
    /// worker.
    Add(add::AddArgs),
    /// Remove added data that no study uses
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The data set's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Also write the first 40 images with their labels (samples.svg), the classes' shares (classes.svg) and all
    /// numbers (data.json) to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    set: NameArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The data set's name
    #[arg(value_name = "NAME")]
    name: DataName,
    #[command(flatten)]
    target: TargetArgs,
}

/// Lists, shows, verifies, adds or removes data sets.
pub(super) async fn run(args: DataArgs) -> Result<(), Failure> {
    match args.verb {
        None => list::run(args.list).await,
        Some(Verb::List(args)) => list::run(args).await,
        Some(Verb::Show(args)) => show::run(args).await,
        Some(Verb::Verify(args)) => verify(args).await,
        Some(Verb::Add(args)) => add::run(args).await,
        Some(Verb::Remove(args)) => remove(args).await,
    }
}

/// A data set, and the folder that it was found in; none where it came out of the cluster's store.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) dataset: Dataset,
    folder: Option<PathBuf>,
}

/// Opens a data set that is known by name on this machine, or one of the cluster's store.
pub(super) async fn open(target: &Target, name: &str) -> Result<Opened, Failure> {
    if DataSpec::NAMES.contains(&name) {
        let (sources, name) = (Sources::from_env(), name.to_owned());
        let folder = sources.locate(&name)?;
        let dataset = tokio::task::spawn_blocking(move || data::open(&name, &sources)).await??;
        return Ok(Opened { dataset, folder: Some(folder) });
    }
    let cluster = target.cluster().await?;
    let bytes = cluster.data_object(named(&cluster.data().await?, name)?).await?;
    let name = name.to_owned();
    let dataset = tokio::task::spawn_blocking(move || data::unpack(&name, &bytes)).await??;
    Ok(Opened { dataset, folder: None })
}

/// A study's own data set, whatever its name means by now: off this machine, or out of the cluster's store. Where the study
/// has not recorded what the name means, it is what the name means now.
pub(super) async fn of_study(cluster: &Cluster, spec: &DataSpec) -> Result<Dataset, Failure> {
    let (spec, sources) = (spec.clone(), Sources::from_env());
    if spec.is_known() {
        let opened = tokio::task::spawn_blocking(move || data::open(&spec.name, &sources)).await?;
        return opened.map_err(|error| {
            Failure::from(error)
                .help("this needs the study's data set on this machine: name its folder in RUNG_DATA")
        });
    }
    let digest = match spec.object() {
        Some(digest) => digest,
        None => named(&cluster.data().await?, &spec.name)?,
    };
    let bytes = cluster.data_object(digest).await?;
    Ok(tokio::task::spawn_blocking(move || data::unpack(&spec.name, &bytes)).await??)
}

/// The object of the data set that a name means.
fn named(sets: &[DataView], name: &str) -> Result<Digest, Failure> {
    let set = sets.iter().find(|set| set.name.as_str() == name);
    set.map(|set| set.facts.digest).ok_or_else(|| unknown(name, sets))
}

/// The failure of a name that no data set has.
fn unknown(name: &str, sets: &[DataView]) -> Failure {
    let names: Vec<&str> =
        DataSpec::NAMES.iter().copied().chain(sets.iter().map(|set| set.name.as_str())).collect();
    let failure = Failure::bad_input(format!("unknown data set `{name}`"));
    match nearest(name, names.iter().copied()) {
        Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
        None => failure.help(format!("known are {}; `rung data add` adds others", names.join(", "))),
    }
}

async fn verify(args: NameArgs) -> Result<(), Failure> {
    let Opened { dataset, folder } = open(&args.target.target(), &args.name).await?;
    output::show(&Verified { name: dataset.name, folder, digest: dataset.digest }, args.output.format)
}

async fn remove(args: RemoveArgs) -> Result<(), Failure> {
    let target = args.target.target();
    // Where no coordinator runs, a wrong name creates nothing.
    let sets = target.cluster().await?.data().await?;
    if !sets.iter().any(|set| set.name == args.name) {
        return Err(match DataSpec::NAMES.contains(&args.name.as_str()) {
            true => Failure::bad_input(format!("`{}` was not added: rung knows it by name", args.name)),
            false => unknown(args.name.as_str(), &sets),
        });
    }
    let remove = async |remote: &Remote| -> Result<(), ClientError> { remote.remove_data(&args.name).await };
    with_coordinator(&target, None, remove).await?;
    output::message(&format!("data set {} is removed", args.name));
    Ok(())
}

/// A data set that is what it should be.
#[derive(Debug, Serialize)]
struct Verified {
    name: String,
    folder: Option<PathBuf>,
    digest: String,
}

impl Show for Verified {
    fn table(&self) -> String {
        let found = match &self.folder {
            Some(folder) => format!("in {} is as published", folder.display()),
            None => "in the cluster's store is as it was added".to_owned(),
        };
        format!("{} {found}\ndigest {}", self.name, self.digest)
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["name", "folder", "digest"]);
        let folder = self.folder.as_ref().map(|folder| folder.display().to_string());
        table.row([self.name.clone(), folder.unwrap_or_default(), self.digest.clone()]);
        table
    }
}
