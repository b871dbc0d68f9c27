//! `rung token`: giving access, listing it and taking it away.

use std::time::Duration;

use clap::{Args, Subcommand};
use common::{duration, ids::WorkerId, time::Timestamp};
use proto::v1::TokenInfo;
use serde::Serialize;
use trust::{Bearer, Dial, Role, Token};

use super::{
    args::{FormatArgs, TargetArgs},
    embedded::{read_with_coordinator, with_coordinator},
    failure::Failure,
    input::whole,
    join,
    output::{self, Show, Table},
};
use crate::grpc::AccessServer;

/// How long a worker's token lets in where nothing is said: long enough to walk over to the other machine.
const WORKER_LIFE: Duration = Duration::from_secs(3600);

/// How long a person's token lets in where nothing is said.
const PERSON_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Flags of `rung token`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token and print the line that uses it; it is shown this once
    ///
    /// A worker's token is exchanged for a certificate that the worker keeps and renews. A person's is for `rung login`.
    Create(CreateArgs),
    /// Tokens by age: what they are for, how long they let in, how many workers may still join
    List(ListArgs),
    /// Take a token's access away at once; workers that have joined by it keep their certificates
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What it lets in for: worker; viewer reads, operator also runs studies, admin also deletes and gives access
    #[arg(long, value_name = "ROLE", default_value = "worker")]
    role: Role,
    /// How many workers may join by it; a person's token is not counted
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1..=u64::from(AccessServer::MOST_USES)))]
    uses: u32,
    /// How long it lets in: seconds, or 90s, 5m, 2h, 30d [default: 1h for a worker, 30d for a person]
    #[arg(long = "for", value_name = "TIME", value_parser = life)]
    life: Option<Duration>,
    /// What or whom it is for: 1 to 64 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, value_parser = name)]
    name: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The token's id, as the list shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    target: TargetArgs,
}

/// Makes, lists or revokes tokens.
pub(super) async fn run(args: TokenArgs) -> Result<(), Failure> {
    match args.verb {
        None => list(args.list).await,
        Some(Verb::List(args)) => list(args).await,
        Some(Verb::Create(args)) => create(args).await,
        Some(Verb::Revoke(args)) => revoke(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let usual = if args.role == Role::Worker { WORKER_LIFE } else { PERSON_LIFE };
    let terms = (args.life.unwrap_or(usual), args.uses);
    let target = args.target.target();
    let Some(remote) = target.coordinator().await? else {
        return Err(Failure::failed(format!("no coordinator runs on {}", target.folder().display()))
            .help("start one with `rung serve`: a token says how to know the coordinator that it is for"));
    };
    let made = remote.create_token(args.role, &args.name, terms).await?;
    let id = made.info.unwrap_or_default().id;
    output::message(&format!("{} token {id}, for {}; it is shown this once:", args.role, told(terms.0)));
    output::data(&line(args.role, &made.advertised, &made.token))
}

/// Takes how long a token lets in, as long as the coordinator would grant.
fn life(text: &str) -> Result<Duration, String> {
    let life = duration::span(text)?;
    match (Duration::from_secs(1)..=AccessServer::LONGEST_LIFE).contains(&life) {
        true => Ok(life),
        false => Err("a token lets in for a second to 366 days".to_owned()),
    }
}

/// Takes what or whom a token is for, by the coordinator's rule; nothing is for nobody in particular.
fn name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.parse::<WorkerId>().is_ok() {
        true => Ok(text.to_owned()),
        false => Err("1 to 64 of a-z, 0-9 and - are expected".to_owned()),
    }
}

/// A life in the largest unit of which it is a whole number: `1 hour`, `90 minutes`, `30 days`.
fn told(life: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    // The coordinator counts whole seconds.
    let seconds = life.as_secs();
    let (size, unit) =
        UNITS.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        number => format!("{number} {unit}s"),
    }
}

/// What is to be pasted on the other machine.
pub(super) fn line(role: Role, address: &str, token: &str) -> String {
    match role {
        Role::Worker => join::command_with(address, token),
        // Without a pin, its owner's authority says how to know a coordinator on another machine.
        _ if is_elsewhere(address) && token.parse().is_ok_and(|token: Token| token.pin.is_none()) => {
            format!("rung login {address} --token {token} --tls-ca FILE")
        }
        _ => format!("rung login {address} --token {token}"),
    }
}

fn is_elsewhere(address: &str) -> bool {
    Dial::plain(address, Bearer::new(None)).is_exposed()
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let tokens =
        read_with_coordinator(&target, async |remote| remote.tokens().await).await?.unwrap_or_default();
    if tokens.is_empty() {
        output::message("there is no token; `rung token create` makes one, where a coordinator runs");
    }
    output::show(&TokenRows(tokens.iter().map(Row::from).collect()), args.output.format)
}

async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let target = args.target.target();
    with_coordinator(&target, None, async |remote| remote.revoke_token(&args.id).await).await?;
    output::message(&format!("token {} lets nobody in any more", args.id));
    Ok(())
}

/// A token without its secret.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    role: String,
    name: String,
    state: String,
    uses_left: Option<u32>,
    created: String,
    expires: String,
}

impl From<&TokenInfo> for Row {
    fn from(info: &TokenInfo) -> Self {
        Self {
            id: info.id.clone(),
            role: info.role.clone(),
            name: info.name.clone(),
            state: info.state.clone(),
            uses_left: (info.role == Role::Worker.as_str()).then_some(info.uses_left),
            created: Timestamp(info.created_ms).to_string(),
            expires: Timestamp(info.expires_ms).to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct TokenRows(Vec<Row>);

impl Show for TokenRows {
    fn table(&self) -> String {
        if self.0.is_empty() { String::new() } else { self.rows("-").render() }
    }

    fn csv(&self) -> Table {
        self.rows("")
    }
}

impl TokenRows {
    /// A row for each token; `uncounted` stands where uses are not counted.
    fn rows(&self, uncounted: &str) -> Table {
        let mut table = Table::new(["id", "role", "name", "state", "uses_left", "created", "expires"]);
        for row in &self.0 {
            let uses = row.uses_left.map_or_else(|| uncounted.to_owned(), |uses| uses.to_string());
            let cells = [&row.id, &row.role, &row.name, &row.state, &uses, &row.created, &row.expires];
            table.row(cells.map(String::as_str));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use trust::Secret;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_the_coordinator_would_refuse_is_bad_input_by_its_flag() {
        for (flag, value, says) in [
            ("--uses", "0", "a whole number from 1 to 10000 is expected"),
            ("--uses", "10001", "a whole number from 1 to 10000 is expected"),
            ("--for", "1000000d", "a token lets in for a second to 366 days"),
            ("--for", "0.5", "a token lets in for a second to 366 days"),
            ("--name", "A b", "1 to 64 of a-z, 0-9 and - are expected"),
        ] {
            let refused = Cli::try_parse_from(["rung", "token", "create", flag, value]).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{flag} {value}");
            let text = refused.to_string();
            assert!(text.contains(flag) && text.contains(says), "{text}");
        }
        for (flag, value) in [("--uses", "10000"), ("--for", "366d"), ("--for", "1s"), ("--name", "ana")] {
            Cli::try_parse_from(["rung", "token", "create", flag, value]).unwrap();
        }
        Cli::try_parse_from(["rung", "token", "create"]).unwrap();
    }

    #[test]
    fn lives_are_told_in_one_form() {
        let taken = |text: &str| told(life(text).unwrap());
        let texts = ["1h", "30d", "1h30m", "24h", "36h", "61", "1s", "1.5"].map(taken);
        let expected =
            ["1 hour", "30 days", "90 minutes", "1 day", "36 hours", "61 seconds", "1 second", "1 second"];
        assert_eq!(texts, expected);
        assert_eq!([WORKER_LIFE, PERSON_LIFE].map(told), ["1 hour", "30 days"]);
    }

    #[test]
    fn csv_has_the_keys_of_json() {
        let role = Role::Viewer.as_str().to_owned();
        let info = TokenInfo { id: "0a1b".to_owned(), role, ..TokenInfo::default() };
        let rows = TokenRows(vec![Row::from(&info)]);
        let csv = rows.csv().to_csv().unwrap();
        let head = csv.lines().next().unwrap();
        assert_eq!(head, "id,role,name,state,uses_left,created,expires");
        let json = serde_json::to_value(&rows).unwrap();
        assert!(head.split(',').all(|key| json[0].get(key).is_some()), "{json}");
        assert!(csv.contains("\n0a1b,viewer,,,,1970-"), "uses are not counted: {csv}");
        assert!(rows.table().contains(" - "), "{}", rows.table());
    }

    #[test]
    fn a_line_asks_for_the_authority_where_the_token_does_not_name_it() {
        let token = Token { role: Role::Viewer, secret: Secret::draw(), pin: None }.reveal();
        assert_eq!(
            line(Role::Viewer, "hub.example:7070", &token),
            format!("rung login hub.example:7070 --token {token} --tls-ca FILE")
        );
        let here = line(Role::Viewer, "127.0.0.1:7070", &token);
        assert_eq!(here, format!("rung login 127.0.0.1:7070 --token {token}"), "no TLS is needed there");
    }
}
