//! `rung export`: a study's model, or an ensemble's, and its numbers in files that other programs read.

mod models;

mod pytorch;

mod tables;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use common::{ballot::Ballot, ids::TrialNumber, model_file::ModelFile};

use super::{
    args::{LatestRef, TargetArgs},
    ensemble::VoteArg,
    failure::Failure,
    files,
    input::whole,
    output,
    text::plural,
    trained::{Answerer, Pick},
};

/// Flags of `rung export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    study: LatestRef,
    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Form,
    /// Folder for the files; made where it is missing. Files of the same names are replaced, those of another model or vote
    /// removed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write this trial's model, and not the best one or the vote of an ensemble's members
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    trial: Option<u32>,
    /// How an ensemble's members vote [default: what is best on the validation part]
    #[arg(long, value_enum, value_name = "VOTE", conflicts_with = "trial")]
    vote: Option<VoteArg>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// model.safetensors, model.json, and model.py, which loads both in PyTorch; of an ensemble these of each member,
    /// and ensemble.py, which loads all
    Safetensors,
    /// model.pt, which PyTorch and libtorch run without Rung, and model.json; of an ensemble its vote in one file
    Torchscript,
    /// trials.csv, one row a trial, and curves.csv, one row an epoch
    Csv,
    /// The same as trials.jsonl and curves.jsonl, one JSON object a line
    Jsonl,
}

/// Files by name; a name may lead into a folder.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// Writes files of a study.
pub(super) async fn run(args: ExportArgs) -> Result<(), Failure> {
    files::check(&args.out)?;
    let study = &args.study.study;
    let tables = matches!(args.to, Form::Csv | Form::Jsonl);
    if tables && (args.trial.is_some() || args.vote.is_some()) {
        return Err(Failure::bad_input("--trial and --vote are for a model: tables have all trials"));
    }
    let cluster = args.target.target().cluster().await?;
    let pick = Pick { trial: args.trial.map(TrialNumber), vote: args.vote };
    let answerer = || Answerer::of_study(&cluster, study, pick);
    let written = match args.to {
        Form::Safetensors => models::safetensors(&answerer().await?)?,
        Form::Torchscript => models::torchscript(&answerer().await?).await?,
        Form::Csv => tables::csv(&tables::read(&cluster, study).await?)?,
        Form::Jsonl => tables::jsonl(&tables::read(&cluster, study).await?)?,
    };
    if !tables {
        let votes = written.iter().any(|(name, _)| name == Path::new(Ballot::FILE));
        files::check_apart(&args.out, if votes { ModelFile::NAME } else { Ballot::FILE })?;
        files::make_way(&args.out, &written)?;
    }
    files::write_all(&args.out, &written)?;
    output::message(&format!("wrote {} to {}", listed(&written), args.out.display()));
    Ok(())
}

/// The names of files, and how many stand in folders below.
fn listed(files: &Files) -> String {
    let (top, below): (Vec<&Path>, Vec<&Path>) =
        files.iter().map(|(name, _)| name.as_path()).partition(|name| name.components().count() == 1);
    let names: Vec<String> = top.iter().map(|name| name.display().to_string()).collect();
    let folders: BTreeSet<_> = below.iter().filter_map(|name| name.parent()).collect();
    match folders.len() {
        0 => names.join(", "),
        count => format!(
            "{} and {} in {}",
            names.join(", "),
            plural(below.len() as u64, "file"),
            plural(count as u64, "folder")
        ),
    }
}
