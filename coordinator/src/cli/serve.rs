//! `rung serve`: the coordinator alone.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use common::duration;
use tokio_util::sync::CancellationToken;

use super::{failure::Failure, interrupt::Interrupt, logging, output};
use crate::{
    server::Server,
    settings::{self, ServeSettings},
};

/// Flags of `rung serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", env = "RUNG_LISTEN", default_value = "127.0.0.1:7070", value_parser = address)]
    listen: SocketAddr,
    /// Folder for studies, checkpoints and logs; without it, `rung` in your data folder (~/.local/share on Linux)
    #[arg(long, value_name = "DIR", env = "RUNG_STATE")]
    state: Option<PathBuf>,
    /// Host name that is written down as this coordinator's, where that is not the one it listens on
    #[arg(long, value_name = "HOST", env = "RUNG_ADVERTISE")]
    advertise: Option<String>,
    /// Write the address to this file once it listens
    #[arg(long, value_name = "FILE", env = "RUNG_ADDRESS_FILE")]
    address_file: Option<PathBuf>,
    /// How long a silent worker keeps its trials: seconds, or 90s, 5m
    #[arg(long, value_name = "SECONDS", env = "RUNG_LEASE", default_value = "30", value_parser = duration::span)]
    lease: Duration,
}

/// Serves until it is interrupted.
pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let settings = settings(args)?;
    let state = settings.state.clone();
    let mut interrupt = Interrupt::listen()?;
    logging::to_stderr();
    let server = Server::bind(settings).await?;
    let address = server.address();
    output::message(&format!(
        "coordinator on {address}, state in {}\nworkers join with: rung-worker --join {address}",
        state.display()
    ));
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

fn settings(args: ServeArgs) -> Result<ServeSettings, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::bad_input(format!(
            "{} can be reached from other machines, and this release has no TLS and no tokens to protect it",
            args.listen
        ))
        .help("listen on 127.0.0.1 and let other machines in through an SSH tunnel: ssh -R 7070:127.0.0.1:7070 WORKER"));
    }
    Ok(ServeSettings {
        listen: args.listen,
        state: args
            .state
            .filter(|state| !state.as_os_str().is_empty())
            .unwrap_or_else(settings::default_state),
        advertise: args.advertise,
        address_file: args.address_file,
        lease: args.lease,
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
    }

    #[test]
    fn addresses_that_others_reach_are_refused() {
        for listen in ["0.0.0.0:7070", "192.0.2.1:0", "[::]:0"] {
            assert_eq!(parsed(&["--listen", listen]).unwrap_err().code, Code::BadInput, "{listen}");
        }
        for listen in ["127.0.0.1:0", "[::1]:7070", "localhost:7071"] {
            assert!(parsed(&["--listen", listen]).is_ok(), "{listen}");
        }
        assert!(Cli::try_parse_from(["serve", "--listen", "7070"]).is_err());
    }
}
