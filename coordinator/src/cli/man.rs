//! `rung man`: manual pages.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, failure::Failure, output};

/// Flags of `rung man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for rung and each of its commands to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the manual page, or writes all pages.
pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return output::data(&String::from_utf8_lossy(&page));
    };
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)?;
    output::message(&format!(
        "wrote manual pages to {}; `man -l {}/rung.1` shows the first",
        folder.display(),
        folder.display()
    ));
    Ok(())
}
