use std::path::PathBuf;

use clap::Args;
use etcetera::BaseStrategy as _;
use trust::{OwnPki, Token};

/// How a worker is known by its coordinator; on the coordinator's own machine, for its own user, nothing is needed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessArgs {
    /// Token to join by, as `rung token create` prints it; the certificate that it is exchanged for is kept and renewed
    // Not parsed by clap, whose errors repeat what they cannot parse.
    #[arg(long, env = "RUNG_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Folder where the certificate is kept; without it, `rung-worker` in your data folder (~/.local/share on Linux)
    #[arg(long, env = "RUNG_IDENTITY", value_name = "DIR")]
    pub(super) identity: Option<PathBuf>,
    /// State folder of a coordinator on this machine, for workers of its own user; without it, `rung` in your data folder
    #[arg(long, env = "RUNG_STATE", value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Certificates of your own authority (PEM), instead of a token
    #[arg(long, env = "RUNG_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// This worker's certificate by your own authority (PEM): O=rung, OU=worker, CN=ID
    #[arg(long, env = "RUNG_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, env = "RUNG_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

impl AccessArgs {
    /// The token; or what is wrong with what was given as one, without repeating it.
    pub(super) fn token(&self) -> Result<Option<Token>, String> {
        let parsed = self.token.as_deref().map(str::parse).transpose();
        parsed.map_err(|error: trust::InvalidToken| format!("--token cannot be used: {error}"))
    }

    /// The files of the operator's own certificates.
    pub(super) fn pki(&self) -> OwnPki {
        OwnPki { ca: self.tls_ca.clone(), cert: self.tls_cert.clone(), key: self.tls_key.clone() }
    }
}

/// `rung-worker` in the user's data folder.
pub(super) fn default_identity() -> PathBuf {
    match etcetera::base_strategy::choose_base_strategy() {
        Ok(folders) => folders.data_dir().join("rung-worker"),
        // Without a home folder there is no better place than here.
        Err(_) => PathBuf::from("rung-worker-identity"),
    }
}
