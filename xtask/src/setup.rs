use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::{libtorch, prerequisites, pytorch};

/// What `cargo xtask setup --help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask setup [--cuda | --from DIR] [--pytorch]

Brings what the build and the tests need and no Rust registry has: libtorch 2.13.0, linked as third_party/libtorch,
and Fashion-MNIST. Both are verified and kept in the user's cache folder ($XDG_CACHE_HOME/rung, by default
~/.cache/rung), so a second clone downloads nothing. Needs a C++ compiler, and python3 with pip for the download.

  --cuda      libtorch with all of its CUDA libraries (a download of about 2.5 GB instead of 0.5 GB)
  --from DIR  an existing libtorch 2.13.0, not copied; the `torch` folder of a Python installation will do
  --pytorch   also PyTorch for Python, which the tests of exports use (0.6 GB more); `cargo xtask test` does this too

Without a flag, a third_party/libtorch that is there already is kept; to go back to the CPU's, remove it first.";

const DATASET: &str = "fashion-mnist";

/// Runs `cargo xtask setup`.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let (mut choice, mut with_pytorch) = (None, false);
    while let Some(flag) = args.next() {
        let chosen = match flag.as_str() {
            "--cuda" => libtorch::Choice::Cuda,
            "--from" => libtorch::Choice::From(PathBuf::from(args.value("--from")?)),
            "--pytorch" => {
                with_pytorch = true;
                continue;
            }
            other => return Err(args::unknown(other, "setup")),
        };
        if choice.replace(chosen).is_some() {
            return Err(Failure::bad_input("only one of --cuda and --from DIR can be given, once"));
        }
    }
    prepare(&choice.unwrap_or(libtorch::Choice::Kept))?;
    if with_pytorch {
        pytorch::prepare()?;
    }
    Ok(())
}

/// Brings libtorch and the data, or finds that they are there.
pub(crate) fn prepare(choice: &libtorch::Choice) -> Result<()> {
    prerequisites::to_build()?;
    libtorch::prepare(choice)?;

    // Whoever opens the data verifies it, so here it is enough that all files are there.
    let folder = match data::Sources::from_env().locate(DATASET) {
        Ok(folder) => folder,
        Err(_) => fetch()?,
    };
    println!("{DATASET}: {}", folder.display());
    Ok(())
}

fn fetch() -> Result<PathBuf> {
    let cache = data::cache_folder().context("there is no cache folder; set HOME or XDG_CACHE_HOME")?;
    println!("{DATASET}: fetching 30 MB");
    let fetched = data::fetch(DATASET, &cache.join(DATASET))?;
    println!("{DATASET}: {} files from {}, verified", fetched.files, fetched.origin);
    Ok(fetched.folder)
}
