//! `rung worker`: who is connected, and sending someone away.

use clap::{Args, Subcommand};
use common::{ids::WorkerId, nearest::nearest, view::WorkerView};
use serde::Serialize;

use super::{
    args::{FormatArgs, TargetArgs},
    embedded::with_coordinator,
    failure::Failure,
    join,
    output::{self, Show, Table},
};
use crate::client::{Cluster, Remote};

/// Flags of `rung worker`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct WorkerArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Workers that are connected now, their devices and what they train
    List(ListArgs),
    /// Ask a worker to save the epochs it has trained, hand its trials back and leave
    Drain(DrainArgs),
    /// Take a worker's certificate away at once, and the token by which it joined: its trials go to others, and it needs
    /// a new token to come back
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
struct DrainArgs {
    /// The worker's id, or its unique beginning
    #[arg(value_name = "WORKER")]
    worker: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The worker's whole id; it need not be connected
    #[arg(value_name = "WORKER")]
    worker: WorkerId,
    #[command(flatten)]
    target: TargetArgs,
}

/// Lists, drains or shuts out workers.
pub(super) async fn run(args: WorkerArgs) -> Result<(), Failure> {
    match args.verb {
        None => list(args.list).await,
        Some(Verb::List(args)) => list(args).await,
        Some(Verb::Drain(args)) => drain(args).await,
        Some(Verb::Revoke(args)) => revoke(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let cluster = target.cluster().await?;
    let workers = cluster.workers().await?;
    match &cluster {
        Cluster::Stored(stored) => output::message(&format!(
            "no coordinator runs on {}, so no worker is connected; `rung serve` starts one",
            stored.folder().display()
        )),
        Cluster::Remote(remote) if workers.is_empty() => output::message(&format!(
            "no worker is connected; {}",
            join::advice(remote.address(), &target.folder())
        )),
        Cluster::Remote(_) => {}
    }
    output::show(&WorkerRows(workers), args.output.format)
}

async fn drain(args: DrainArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let Some(remote) = target.coordinator().await? else {
        let folder = target.folder();
        return Err(Failure::failed(format!("no coordinator runs on {}", folder.display())).help(
            "workers leave by themselves when theirs is gone; name another with --coordinator or --state",
        ));
    };
    let worker = remote.drain(&args.worker).await?;
    output::message(&format!("worker {worker} hands back its trials and leaves"));
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let target = args.target.target();
    let act = async |remote: &Remote| {
        let known = remote.revoke_worker(&args.worker).await?;
        // Who may have been meant, where nobody of that name is known.
        let connected = if known { Vec::new() } else { remote.workers().await? };
        Ok((known, connected))
    };
    let (known, connected) = with_coordinator(&target, None, act).await?;
    output::message(&if known {
        format!(
            "worker {} is shut out, and the token by which it joined is revoked; a new token lets it join again",
            args.worker
        )
    } else {
        nobody(&args.worker, &connected)
    });
    Ok(())
}

/// What is said where nobody was shut out.
fn nobody(revoked: &WorkerId, connected: &[WorkerView]) -> String {
    let text = format!(
        "no worker {revoked} is connected or has joined by a token; certificates of that name are refused from now on"
    );
    match nearest(revoked.as_str(), connected.iter().map(|view| view.worker.as_str())) {
        Some(near) => format!("{text}; did you mean `rung worker revoke {near}`?"),
        None => text,
    }
}

/// Connected workers by id.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct WorkerRows(Vec<WorkerView>);

impl Show for WorkerRows {
    fn table(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut table =
            Table::new(["worker", "device", "name", "slots", "leases", "state", "silent", "version", "data"]);
        for view in &self.0 {
            table.row([
                view.worker.to_string(),
                view.device.device.clone(),
                view.device.name.clone(),
                view.slots.to_string(),
                view.leases.len().to_string(),
                if view.draining { "draining" } else { "ready" }.to_owned(),
                format!("{:.1} s", view.silent_ms as f64 / 1000.0),
                view.version.clone(),
                if view.data.is_empty() { "-".to_owned() } else { data(view) },
            ]);
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let head = ["worker", "device", "name", "host", "libtorch", "instructions", "memory_bytes", "slots"];
        let mut table =
            Table::new(head.into_iter().chain(["leases", "draining", "silent_ms", "version", "data"]));
        for view in &self.0 {
            let device = view.device.clone();
            table.row([
                view.worker.to_string(),
                device.device,
                device.name,
                device.host,
                device.libtorch,
                device.capability,
                device.memory_bytes.to_string(),
                view.slots.to_string(),
                view.leases.len().to_string(),
                view.draining.to_string(),
                view.silent_ms.to_string(),
                view.version.clone(),
                data(view),
            ]);
        }
        table
    }
}

/// The data sets that a worker can open by itself.
fn data(view: &WorkerView) -> String {
    view.data.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn workers_are_listed_with_the_data_that_they_have() {
        let has = WorkerView { data: ["fashion-mnist".to_owned()].into(), ..fixture::worker("lab-1") };
        let rows = WorkerRows(vec![has, fixture::worker("lab-2")]);
        let ends: Vec<_> =
            rows.table().lines().map(|line| line.trim_end().rsplit(' ').next().unwrap().to_owned()).collect();
        assert_eq!(ends, ["DATA", "fashion-mnist", "-"]);
        assert!(rows.csv().to_csv().unwrap().contains(",fashion-mnist\n"));
        assert!(serde_json::to_string(&rows).unwrap().contains(r#""data":["fashion-mnist"]"#));
    }

    #[test]
    fn that_nobody_was_shut_out_is_said_with_who_may_have_been_meant() {
        let view = fixture::worker("node-10");
        let revoked = "node-1".parse().unwrap();
        let text = nobody(&revoked, std::slice::from_ref(&view));
        assert!(text.starts_with("no worker node-1 is connected or has joined by a token"), "{text}");
        assert!(text.ends_with("did you mean `rung worker revoke node-10`?"), "{text}");
        assert!(nobody(&revoked, &[]).ends_with("refused from now on"));
    }
}
