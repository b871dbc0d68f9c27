//! `rung backup`: a state folder as it is now, kept elsewhere.

use std::{fs, path::PathBuf};

use clap::Args;

use super::{failure::Failure, files, output, text::plural};
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
    // What is there already is refused as such.
    if fs::symlink_metadata(&args.to).is_err() {
        files::check(&args.to).map_err(|failure| failure.help("name another folder for the backup"))?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Code;

    #[tokio::test]
    async fn a_place_that_cannot_be_written_to_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let state = Some(folder.path().join("state"));
        let to = file.join("below");
        let failure = run(BackupArgs { to: to.clone(), state: state.clone() }).await.unwrap_err();
        let says = format!("nothing can be written to folder {}: ", to.display());
        assert!(failure.code == Code::BadInput && failure.message.starts_with(&says), "{failure:?}");
        assert_eq!(failure.help.as_deref(), Some("name another folder for the backup"));
        let failure = run(BackupArgs { to: file, state }).await.unwrap_err();
        assert!(
            failure.code == Code::BadInput && failure.message.contains("is there already"),
            "{failure:?}"
        );
    }
}
