//! `rung`: the command line, and the coordinator that it can be.

use std::process::ExitCode;

fn main() -> ExitCode {
    coordinator::cli::main()
}
