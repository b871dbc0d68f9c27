//! `rung export`: a study's model and numbers in files that other programs read.

mod pytorch;

mod tables;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use common::ids::TrialNumber;

use super::{
    args::{StudyRef, TargetArgs},
    failure::Failure,
    files, output,
    trained::TrainedModel,
};

/// Flags of `rung export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    study: StudyRef,
    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Form,
    /// Folder for the files; made where it is missing, files of the same names are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write this trial's model and not the best one
    #[arg(long, value_name = "N")]
    trial: Option<u32>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// model.safetensors, model.json, and model.py, which loads both in PyTorch
    Safetensors,
    /// model.pt, which PyTorch and libtorch run without Rung, and model.json
    Torchscript,
    /// trials.csv, one row a trial, and curves.csv, one row an epoch
    Csv,
    /// The same as trials.jsonl and curves.jsonl, one JSON object a line
    Jsonl,
}

/// Files by name.
type Files = Vec<(&'static str, Vec<u8>)>;

/// Writes files of a study.
pub(super) async fn run(args: ExportArgs) -> Result<(), Failure> {
    files::check(&args.out)?;
    let study = &args.study.study;
    let tables = matches!(args.to, Form::Csv | Form::Jsonl);
    if tables && args.trial.is_some() {
        return Err(Failure::bad_input("--trial is for a model: tables have all trials"));
    }
    let cluster = args.target.target().cluster().await?;
    let model = || TrainedModel::of_study(&cluster, study, args.trial.map(TrialNumber));
    let written = match args.to {
        Form::Safetensors => safetensors(&model().await?)?,
        Form::Torchscript => {
            let model = model().await?;
            vec![("model.pt", model.torchscript().await?), ("model.json", model.bytes("model.json")?)]
        }
        Form::Csv => tables::csv(&tables::read(&cluster, study).await?)?,
        Form::Jsonl => tables::jsonl(&tables::read(&cluster, study).await?)?,
    };
    files::write_all(&args.out, &written)?;
    let names: Vec<&str> = written.iter().map(|(name, _)| *name).collect();
    output::message(&format!("wrote {} to {}", names.join(", "), args.out.display()));
    Ok(())
}

fn safetensors(model: &TrainedModel) -> Result<Files, Failure> {
    let python = pytorch::module(&model.file, &model.architecture)?;
    Ok(vec![
        ("model.safetensors", model.bytes("model.safetensors")?),
        ("model.json", model.bytes("model.json")?),
        ("model.py", python.into_bytes()),
    ])
}
