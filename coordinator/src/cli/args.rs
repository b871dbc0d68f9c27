//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;
use trust::OwnPki;

use super::output::Format;
use crate::client::{Credentials, Logins, Target};

/// Which cluster a command is about.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct TargetArgs {
    /// Address of the coordinator to talk to, which must answer; without it, the one of `rung login` where no state folder is
    /// named, else the one on the state folder
    #[arg(long, value_name = "HOST:PORT", env = "RUNG_COORDINATOR")]
    coordinator: Option<String>,
    /// Folder with studies and checkpoints; without it, `rung` in your data folder (~/.local/share on Linux)
    #[arg(long, value_name = "DIR", env = "RUNG_STATE")]
    state: Option<PathBuf>,
    /// Token to be known by, instead of a login: better as a variable, since others can see a command line
    // Not parsed by clap, whose errors repeat what they cannot parse.
    #[arg(long, value_name = "TOKEN", env = "RUNG_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    pki: PkiArgs,
}

impl TargetArgs {
    /// The cluster that is meant; variables that are set to nothing count as not set.
    pub(crate) fn target(&self) -> Target {
        let token = self.token.as_ref().filter(|text| !text.is_empty());
        Target {
            coordinator: self.coordinator.clone().filter(|address| !address.is_empty()),
            state: self.state.clone().filter(|folder| !folder.as_os_str().is_empty()),
            given: Credentials { token: token.map(|text| text.parse()), pki: self.pki.files() },
            logins: Logins::usual_place(),
        }
    }
}

/// Certificates of one's own, instead of those of the cluster's authority.
#[derive(Debug, Clone, Args)]
pub(crate) struct PkiArgs {
    /// Certificates of your own authority (PEM), where you run one
    #[arg(long, value_name = "FILE", env = "RUNG_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// Certificate by your own authority (PEM), with those between
    #[arg(long, value_name = "FILE", env = "RUNG_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", env = "RUNG_TLS_KEY")]
    tls_key: Option<PathBuf>,
}

impl PkiArgs {
    /// The files that are named.
    pub(crate) fn files(&self) -> OwnPki {
        OwnPki { ca: self.tls_ca.clone(), cert: self.tls_cert.clone(), key: self.tls_key.clone() }
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

/// A study to look at: the latest one where none is named.
#[derive(Debug, Clone, Args)]
pub(crate) struct LatestRef {
    /// Name, id or the unique beginning of either; `@last` is the latest study
    #[arg(value_name = "STUDY", default_value = "@last")]
    pub(crate) study: String,
}

/// A size: a number of bytes, or one with a unit of 1000 (`500MB`) or 1024 (`20GiB`).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let bad = || format!("`{text}` is no size: write bytes, or 500MB, 20GiB, 1.5TB");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| bad())?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    let size = number * *bytes as f64;
    if size >= 1.0 && size < u64::MAX as f64 { Ok(size as u64) } else { Err(bad()) }
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
    fn sizes_are_read() {
        for (text, bytes) in [
            ("4096", 4096),
            ("20GiB", 20 << 30),
            ("500MB", 500_000_000),
            ("1.5 kib", 1536),
            ("1tb", 1_000_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "GiB", "-1", "5x", "1e3", "nan", "99999999TiB", "2µB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn overrides_are_split_at_the_first_equals_sign() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_value("train.batch_size=64"), pair("train.batch_size", "64"));
        assert_eq!(key_value("space={x: {choice: [a=b]}}"), pair("space", "{x: {choice: [a=b]}}"));
        assert_eq!(key_value("name ="), pair("name", ""));
        assert!(key_value("seed").is_err() && key_value("=1").is_err());
    }
}
