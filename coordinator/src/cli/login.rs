//! `rung login` and `rung logout`: which coordinator later commands talk to, and as whom.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use trust::{OwnPki, Role, Token};

use super::{failure::Failure, output};
use crate::client::{Credentials, Login, Logins, Remote, Target};

/// How long the coordinator has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most that is read where a token is expected.
const MAX_TOKEN_BYTES: u64 = 4096;

/// Flags of `rung login`.
#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The coordinator's address, as `rung token create` shows it
    #[arg(value_name = "HOST:PORT")]
    address: String,
    /// Token that an admin made there with `rung token create --role …`; `-` or nothing reads it from standard input
    // Not parsed by clap, whose errors repeat what they cannot parse.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "RUNG_TOKEN",
        hide_env_values = true,
        default_value = "-",
        hide_default_value = true
    )]
    token: String,
    /// Certificates of the coordinator's own authority (PEM), where it does not use rung's
    #[arg(long, value_name = "FILE", env = "RUNG_TLS_CA")]
    tls_ca: Option<PathBuf>,
}

/// Flags of `rung logout`.
#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    /// The coordinator's address; without it, the one that commands talk to now
    #[arg(value_name = "HOST:PORT")]
    address: Option<String>,
}

/// Makes sure that the coordinator knows the token, and keeps both.
pub(super) async fn login(args: LoginArgs) -> Result<(), Failure> {
    let place = place()?;
    let mut logins = Logins::read(&place)?;
    let token = read_token(&args.token)?;
    if token.role == Role::Worker {
        return Err(Failure::bad_input("the token is a worker's").help(
            "start `rung-worker --join HOST:PORT --token TOKEN` with it, or ask for one made with `--role operator`",
        ));
    }
    let tls_ca = args.tls_ca.map(std::path::absolute).transpose()?;
    let pki = OwnPki { ca: tls_ca.clone(), ..OwnPki::default() };
    let given = Credentials { token: Some(Ok(token.clone())), pki };
    let target = Target { coordinator: Some(args.address.clone()), given, ..Target::default() };
    let remote: Option<Remote> = tokio::time::timeout(PATIENCE, target.coordinator())
        .await
        .map_err(|_| Failure::failed(format!("no answer from {} in {PATIENCE:?}", args.address)))??;
    let Some(remote) = remote else { return Err(Failure::failed("no coordinator answers")) };
    let caller = remote.who_am_i().await?;
    logins.current = Some(args.address.clone());
    logins.logins.insert(args.address.clone(), Login { token: Some(token), tls_ca });
    logins.write(&place)?;
    output::message(&format!(
        "logged in at {} as {} with the role {}; commands talk to it until `rung logout`",
        args.address, caller.name, caller.role
    ));
    Ok(())
}

/// Forgets a login.
pub(super) fn logout(args: LogoutArgs) -> Result<(), Failure> {
    let place = place()?;
    let mut logins = Logins::read(&place)?;
    let address = args.address.or_else(|| logins.current.clone());
    let Some(address) = address else { return Err(Failure::bad_input("nobody is logged in")) };
    if logins.logins.remove(&address).is_none() {
        let known: Vec<_> = logins.logins.keys().map(String::as_str).collect();
        let failure = Failure::bad_input(format!("there is no login for {address}"));
        return Err(match known.as_slice() {
            [] => failure,
            known => failure.help(format!("there is one for {}", known.join(", "))),
        });
    }
    logins.current = logins.current.filter(|current| *current != address);
    logins.write(&place)?;
    output::message(&format!("logged out of {address}; its token is forgotten here, and still valid there"));
    Ok(())
}

/// A token from a flag, or from standard input.
fn read_token(text: &str) -> Result<Token, Failure> {
    let mut read = String::new();
    let text = match text {
        "-" => {
            io::stdin().lock().take(MAX_TOKEN_BYTES).read_to_string(&mut read)?;
            read.as_str()
        }
        text => text,
    };
    text.parse().map_err(|error| Failure::bad_input(format!("the token cannot be used: {error}")))
}

fn place() -> Result<PathBuf, Failure> {
    Logins::usual_place().ok_or_else(|| Failure::bad_input("there is no home folder to keep a login in"))
}
