//! `rung model add` and `rung model remove`.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use common::ids::ModelName;
use weights::Packed;

use super::{
    super::{
        args::{FormatArgs, TargetArgs},
        embedded::with_coordinator,
        failure::Failure,
        output,
    },
    stored::{StoredReport, unknown},
};
use crate::client::{ClientError, Remote};

/// Flags of `rung model add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What studies will call the weights: a-z, 0-9 and -
    #[arg(value_name = "NAME")]
    name: ModelName,
    /// The safetensors file to read; a model.json beside it, as `rung export` writes it, tells the model
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Flags of `rung model remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The weights' name
    #[arg(value_name = "NAME")]
    name: ModelName,
    #[command(flatten)]
    target: TargetArgs,
}

/// Reads a file, packs its weights and stores the object. Nothing is stored where anything is wrong.
pub(super) async fn run(args: AddArgs) -> Result<(), Failure> {
    let file = args.file.clone();
    let Packed { bytes, .. } = tokio::task::spawn_blocking(move || weights::read(&file)).await??;
    let bytes = Bytes::from(bytes);
    let add = async |remote: &Remote| remote.add_model(&args.name, bytes.clone()).await;
    let model = with_coordinator(&args.target.target(), None, add).await?;
    output::message(&format!("a study begins with them by `train: {{initial_weights: {}}}`", model.name));
    output::show(&StoredReport::new(model), args.output.format)
}

/// Takes weights out of the cluster.
pub(super) async fn remove(args: RemoveArgs) -> Result<(), Failure> {
    let target = args.target.target();
    // Where no coordinator runs, a wrong name creates nothing.
    let models = target.cluster().await?.models().await?;
    if !models.iter().any(|model| model.name == args.name) {
        return Err(unknown(args.name.as_str(), "there are no weights", &[], &models));
    }
    let remove = async |remote: &Remote| -> Result<(), ClientError> { remote.remove_model(&args.name).await };
    with_coordinator(&target, None, remove).await?;
    output::message(&format!("weights {} are removed", args.name));
    Ok(())
}
