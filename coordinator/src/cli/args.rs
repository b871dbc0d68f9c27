//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;

use super::output::Format;
use crate::client::Target;

/// Which cluster a command is about.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct TargetArgs {
    /// Address of the coordinator to talk to; without it, the one found running on the state folder
    #[arg(long, value_name = "HOST:PORT", env = "RUNG_COORDINATOR")]
    coordinator: Option<String>,
    /// Folder with studies and checkpoints; without it, `rung` in your data folder (~/.local/share on Linux)
    #[arg(long, value_name = "DIR", env = "RUNG_STATE")]
    state: Option<PathBuf>,
}

impl TargetArgs {
    /// The cluster that is meant; variables that are set to nothing count as not set.
    pub(crate) fn target(&self) -> Target {
        Target {
            coordinator: self.coordinator.clone().filter(|address| !address.is_empty()),
            state: self.state.clone().filter(|folder| !folder.as_os_str().is_empty()),
        }
    }
}

/// How a command writes what it found.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct FormatArgs {
    /// How to write the result
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Format,
}

/// A study that a cluster has.
#[derive(Debug, Clone, Args)]
pub(crate) struct StudyRef {
    /// Name, id or the unique beginning of either; `@last` is the latest study
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
}

/// `KEY=VALUE`, as `--set` takes it.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("KEY=VALUE is expected, for example train.batch_size=64".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_split_at_the_first_equals_sign() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_value("train.batch_size=64"), pair("train.batch_size", "64"));
        assert_eq!(key_value("space={x: {choice: [a=b]}}"), pair("space", "{x: {choice: [a=b]}}"));
        assert_eq!(key_value("name ="), pair("name", ""));
        assert!(key_value("seed").is_err() && key_value("=1").is_err());
    }
}
