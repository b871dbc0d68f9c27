//! `rung serve`: the coordinator alone.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use common::duration;
use tokio_util::sync::CancellationToken;
use trust::Role;

use super::{
    args::{PkiArgs, size},
    failure::Failure,
    interrupt::Interrupt,
    join, logging, output,
};
use crate::{
    access::NewToken,
    server::Server,
    settings::{self, ServeSettings, ServeTls},
};

/// How long the line that is printed at the start lets workers in, and how many.
const JOIN_TOKEN: (Duration, u32) = (Duration::from_secs(3600), 16);

/// Certificates count seconds, and half of their life must be enough to renew them.
const SHORTEST_CERTIFICATE_LIFE: Duration = Duration::from_secs(4);

/// Flags of `rung serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", env = "RUNG_LISTEN", default_value = "127.0.0.1:7070", value_parser = address)]
    listen: SocketAddr,
    /// Folder for studies, checkpoints and logs; without it, `rung` in your data folder (~/.local/share on Linux)
    #[arg(long, value_name = "DIR", env = "RUNG_STATE")]
    state: Option<PathBuf>,
    /// Host name or address that other machines reach this one by, where that is not the one it listens on
    #[arg(long, value_name = "HOST", env = "RUNG_ADVERTISE")]
    advertise: Option<String>,
    /// Write the address to this file once it listens
    #[arg(long, value_name = "FILE", env = "RUNG_ADDRESS_FILE")]
    address_file: Option<PathBuf>,
    /// How long a silent worker keeps its trials: seconds, or 90s, 5m
    #[arg(long, value_name = "TIME", env = "RUNG_LEASE", default_value = "30", value_parser = duration::span)]
    lease: Duration,
    /// Most that all stored objects (checkpoints, probabilities, data, weights) may take: bytes, or 500MB, 20GiB. Beyond it uploads wait
    #[arg(long, value_name = "SIZE", env = "RUNG_QUOTA", value_parser = size)]
    quota: Option<u64>,
    #[command(flatten)]
    protection: ProtectionArgs,
}

/// How a coordinator is protected.
#[derive(Debug, Args)]
#[command(next_help_heading = "Protection")]
struct ProtectionArgs {
    #[command(flatten)]
    pki: PkiArgs,
    /// How long a worker's certificate holds; it is renewed at half of that
    #[arg(long, value_name = "TIME", env = "RUNG_CERTIFICATE_LIFE", default_value = "24h", value_parser = duration::span)]
    certificate_life: Duration,
    /// Speak without TLS: on this machine's own addresses alone
    #[arg(long)]
    no_tls: bool,
    /// Ask nobody who they are: on this machine's own addresses alone
    #[arg(long)]
    no_auth: bool,
}

/// Serves until it is interrupted.
pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let settings = settings(args)?;
    let (state, exposed) = (settings.state.clone(), !settings.listen.ip().is_loopback());
    let certified = settings.tls == ServeTls::Authority;
    let mut interrupt = Interrupt::listen()?;
    logging::to_stderr();
    allow_connections();
    let server = Server::bind(settings).await?;
    let address = server.address();
    output::message(&format!("coordinator on {address}, state in {}", state.display()));
    if !exposed {
        output::message(&format!(
            "workers join with: {}\nfrom other machines, through a tunnel, with what `rung token create` prints",
            join::command(&address.to_string(), &state)
        ));
    } else if certified {
        output::message(
            "on other machines, within an hour, start workers with this line; `rung token create` makes more:",
        );
        output::data(&join_line(&server)?)?;
    } else {
        let advertised = server.access().advertised();
        output::message(&format!(
            "workers join {advertised} with --tls-ca, --tls-cert and --tls-key of yours"
        ));
    }
    let stop = CancellationToken::new();
    let mut serving = std::pin::pin!(server.run(stop.clone()));
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = interrupt.recv() => stop.cancel(),
    }
    output::message("stopping; Ctrl-C again quits at once");
    tokio::select! {
        ended = serving => Ok(ended?),
        () = interrupt.recv() => Err(Failure::interrupted("quit before everything was finished; nothing stored is lost")),
    }
}

/// Raises this process's limit of open files to what the system allows it, where it can: each worker's connection is one,
/// and the usual 1,024 are fewer than the workers of a large cluster.
fn allow_connections() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

/// The line that starts a worker on another machine, with a token of its own.
fn join_line(server: &Server) -> Result<String, Failure> {
    let (life, uses) = JOIN_TOKEN;
    let wanted = NewToken { role: Role::Worker, name: "serve".to_owned(), life, uses };
    let (token, _) = server.access().create_token(wanted)?;
    Ok(super::token::line(Role::Worker, server.access().advertised(), &token.reveal()))
}

fn settings(args: ServeArgs) -> Result<ServeSettings, Failure> {
    let ProtectionArgs { pki, certificate_life, no_tls, no_auth } = args.protection;
    let pki = pki.files();
    if certificate_life < SHORTEST_CERTIFICATE_LIFE {
        return Err(Failure::bad_input(format!(
            "a certificate must hold for {SHORTEST_CERTIFICATE_LIFE:?} at least"
        )));
    }
    let tls = match (no_tls, pki.is_empty()) {
        (true, true) => ServeTls::Off,
        (true, false) => return Err(Failure::bad_input("--no-tls makes no sense beside certificates")),
        (false, true) => ServeTls::Authority,
        (false, false) => ServeTls::Own(pki),
    };
    Ok(ServeSettings {
        listen: args.listen,
        state: settings::state_or_default(args.state),
        advertise: args.advertise,
        address_file: args.address_file,
        lease: args.lease,
        quota: args.quota,
        tls,
        auth: !no_auth,
        certificate_life,
        of_command: false,
    })
}

/// An address to listen on; a host name may stand for a number.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| format!("HOST:PORT is expected: {error}"))?;
    found.next().ok_or_else(|| format!("`{text}` has no address"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::failure::Code;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn parsed(line: &[&str]) -> Result<ServeSettings, Failure> {
        settings(Cli::try_parse_from([&["serve", "--state", "dir"], line].concat()).unwrap().args)
    }

    #[test]
    fn defaults_are_those_of_the_coordinator() {
        let settings = parsed(&[]).unwrap();
        assert_eq!(settings, ServeSettings::new("dir".into()));
        assert_eq!(parsed(&["--lease", "2.5"]).unwrap().lease, Duration::from_millis(2500));
        assert_eq!(parsed(&["--quota", "20GiB"]).unwrap().quota, Some(20 << 30));
    }

    #[tokio::test]
    async fn addresses_that_others_reach_need_tls_and_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        for listen in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
            for flags in [&["--no-tls"][..], &["--no-auth"], &["--no-tls", "--no-auth"]] {
                let settings = parsed(&[&["--listen", listen], flags].concat()).unwrap();
                let failure = Failure::from(
                    Server::bind(ServeSettings { state: state.clone(), ..settings }).await.unwrap_err(),
                );
                assert_eq!(failure.code, Code::BadInput, "{listen} {flags:?}");
                assert!(
                    failure.message.contains("--no-tls") && failure.message.contains("127.0.0.1"),
                    "{failure:?}"
                );
                assert!(!state.exists());
            }
            assert!(!parsed(&["--listen", listen]).unwrap().is_exposed());
        }
        for flags in [&[][..], &["--no-tls"], &["--no-auth"], &["--no-tls", "--no-auth"]] {
            for listen in ["127.0.0.1:0", "[::1]:7070", "localhost:7071"] {
                let settings = parsed(&[&["--listen", listen], flags].concat()).unwrap();
                assert!(!settings.is_exposed(), "{listen} {flags:?}");
            }
        }
        assert!(Cli::try_parse_from(["serve", "--listen", "7070"]).is_err());
        assert_eq!(parsed(&["--no-tls", "--tls-ca", "ca.pem"]).unwrap_err().code, Code::BadInput);
        assert_eq!(parsed(&["--certificate-life", "1s"]).unwrap_err().code, Code::BadInput);
    }
}
