//! `rung man`: manual pages.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, failure::Failure, files, output};

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
        Man::new(program()).render(&mut page)?;
        return output::data(&String::from_utf8_lossy(&page));
    };
    files::check(folder)?;
    files::make(folder)?;
    clap_mangen::generate_to(program(), folder).map_err(|error| {
        Failure::failed(format!("cannot write manual pages to {}: {error}", folder.display()))
    })?;
    output::message(&format!(
        "wrote manual pages to {}; `man -l {}/rung.1` shows the first",
        folder.display(),
        folder.display()
    ));
    Ok(())
}

/// The program with a name of its own for the page of each command: `rung-worker(1)` would be another program's.
fn program() -> Command {
    const WORKER_PAGE: &str = "worker-command";
    Cli::command().mut_subcommand("worker", |worker| {
        worker.name(WORKER_PAGE).bin_name("rung worker").after_help(
            "The program that trains is another one, rung-worker: `rung-worker --help` shows its flags.",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::failure::Code;

    #[test]
    fn pages_go_to_a_folder_and_one_that_cannot_be_is_named() {
        let root = tempfile::tempdir().unwrap();
        let pages = root.path().join("a/pages");
        run(&ManArgs { out: Some(pages.clone()) }).unwrap();
        let first = pages.join("rung.1");
        assert!(fs::read_to_string(&first).unwrap().contains(".TH"));
        assert!(!pages.join("rung-worker.1").exists(), "the page of another program");
        let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
        let worker = page("rung-worker-command.1");
        assert!(worker.contains("\\fBrung worker\\fR") && worker.contains("another one, rung"), "{worker}");
        assert!(page("rung-worker-command-drain.1").contains("rung worker drain"));
        assert!(page("rung.1").contains("rung\\-worker\\-command(1)"));
        let failure = run(&ManArgs { out: Some(first.join("below")) }).unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.message.contains("rung.1/below: "), "{}", failure.message);
    }
}
