//! `rung backup`: a state folder as it is now, kept elsewhere.

use std::path::PathBuf;

use clap::Args;

use super::{failure::Failure, output, text::plural};
use crate::{
    backup::{self, BackupError},
    settings,
    store::StoreError,
};

/// Flags of `rung backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Folder to make; nothing may be there yet
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Folder with studies and checkpoints; without it, `rung` in your data folder (~/.local/share on Linux)
    #[arg(long, value_name = "DIR", env = "RUNG_STATE")]
    state: Option<PathBuf>,
}

/// Makes a backup and prints where it is.
pub(super) async fn run(args: BackupArgs) -> Result<(), Failure> {
    let state = settings::state_or_default(args.state);
    let made = match backup::backup(&state, &args.to).await {
        Err(error @ (BackupError::Occupied(_) | BackupError::Store(StoreError::Missing(_)))) => {
            return Err(Failure::bad_input(error));
        }
        made => made?,
    };
    output::message(&format!(
        "backed up {} and {} ({} bytes) of {}",
        plural(made.studies, "study"),
        plural(made.objects, "object"),
        made.bytes,
        state.display()
    ));
    output::data(&args.to.display().to_string())
}
