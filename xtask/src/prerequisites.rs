//! The programs that must be on the machine before anything can be brought to it.

use std::env;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::failure::Failure;

/// A program, and what has it.
struct Prerequisite {
    what: &'static str,
    check: fn() -> bool,
    debian: &'static str,
    macos: &'static str,
}

const COMPILER: Prerequisite = Prerequisite {
    what: "a C++ compiler",
    check: has_compiler,
    debian: "g++",
    macos: "the command line tools (`xcode-select --install`)",
};

const PYTHON: Prerequisite =
    Prerequisite { what: "python3", check: has_python, debian: "python3", macos: "python" };

const PIP: Prerequisite =
    Prerequisite { what: "pip for python3", check: has_pip, debian: "python3-pip", macos: "python" };

/// Checks what building needs.
pub(crate) fn to_build() -> Result<()> {
    require(&[COMPILER])
}

/// Checks what downloading libtorch needs, and building, so that one message names everything.
pub(crate) fn to_download() -> Result<()> {
    require(&[COMPILER, PYTHON, PIP])
}

fn require(prerequisites: &[Prerequisite]) -> Result<()> {
    let missing: Vec<_> = prerequisites.iter().filter(|prerequisite| !(prerequisite.check)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = |name: fn(&Prerequisite) -> &'static str, separator: &str| {
        let mut names: Vec<_> = missing.iter().map(|prerequisite| name(prerequisite)).collect();
        names.dedup();
        names.join(separator)
    };
    let what = names(|prerequisite| prerequisite.what, " and ");
    let install = if cfg!(target_os = "macos") {
        format!("install {}", names(|prerequisite| prerequisite.macos, " and "))
    } else {
        format!("on Debian or Ubuntu `apt-get install {}`", names(|prerequisite| prerequisite.debian, " "))
    };
    Err(Failure::bad_input(format!("this machine lacks {what}; {install}, then run this again")))
}

/// Asks for the compiler that the build scripts will ask for.
fn has_compiler() -> bool {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    // CXX may name a wrapper and the compiler behind it.
    let mut words = compiler.split_whitespace();
    words.next().is_some_and(|program| runs(program, &words.chain(["--version"]).collect::<Vec<_>>()))
}

fn has_python() -> bool {
    runs("python3", &["--version"])
}

fn has_pip() -> bool {
    runs("python3", &["-m", "pip", "--version"])
}

/// Whether a command runs to a good end.
pub(crate) fn runs(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
