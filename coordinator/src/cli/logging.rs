//! Where a coordinator's log goes.

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use tracing_subscriber::EnvFilter;

/// Logs to standard error, for a coordinator in the foreground.
pub(crate) fn to_stderr() {
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter()).with_ansi(colours).with_writer(io::stderr);
    // A process that logs already, as a test may, goes on as it does.
    let _ = log.try_init();
}

/// Logs to a file of a state folder, for a coordinator behind another command; says which.
pub(crate) fn to_file(state: &Path) -> io::Result<PathBuf> {
    let path = folder(state)?.join("coordinator.log");
    let file = File::options().create(true).append(true).open(&path)?;
    let log =
        tracing_subscriber::fmt().with_env_filter(filter()).with_ansi(false).with_writer(Mutex::new(file));
    let _ = log.try_init();
    Ok(path)
}

/// The folder of logs in a state folder.
pub(crate) fn folder(state: &Path) -> io::Result<PathBuf> {
    let folder = state.join("logs");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What `RUNG_LOG` asks for, for example `debug` or `coordinator::driver=trace`.
fn filter() -> EnvFilter {
    let wanted = std::env::var("RUNG_LOG").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or_else(|| EnvFilter::new("info"))
}
