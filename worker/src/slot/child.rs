//! A trainer process, seen from its supervisor.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use common::view::DeviceFacts;
use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout, Command as Process},
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::StreamExt as _;
use tokio_util::{
    codec::{FramedRead, LengthDelimitedCodec},
    task::TaskTracker,
};
use tracing::warn;

use crate::{
    settings::{Cores, Device},
    trainer::{
        process::{MACHINE_FAILS, NAME},
        protocol::{self, Command, Report},
    },
};

/// Longest time from a trainer's start to its first word; loading libtorch for a GPU takes seconds on a cold disk.
const START: Duration = Duration::from_secs(60);
/// Longest time for a trainer to take a command from its pipe, or to end once its pipe is closed.
const HANDOVER: Duration = Duration::from_secs(5);
/// Longest line of a trainer's log.
const LINE: u64 = 4096;

/// How a trainer is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The program that has the subcommand `trainer`.
    pub(crate) program: PathBuf,
    /// What to train on.
    pub(crate) device: Device,
    /// Cores to stay on.
    pub(crate) cores: Option<Cores>,
    /// Folder with data sets.
    pub(crate) data: Option<PathBuf>,
}

/// Why a trainer is not up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// It says itself why it cannot train; it would say the same again.
    #[error("{0}")]
    Unusable(String),
    /// It never came to say anything.
    #[error("{0}")]
    Lost(String),
}

/// How a trainer ended.
#[derive(Debug)]
pub(crate) struct Death {
    /// What is known of it, for people.
    pub(crate) reason: String,
    /// Whether its status says that this machine is to blame, and not what it was working on.
    pub(crate) machine_fails: bool,
}

/// A trainer process that is up. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    commands: ChildStdin,
    reports: FramedRead<ChildStdout, LengthDelimitedCodec>,
    /// Ends with the last line that the trainer wrote to its log.
    log: JoinHandle<String>,
}

impl Child {
    /// Starts a trainer and waits until it says what it trains on.
    pub(crate) async fn start(
        launch: &Launch,
        tracker: &TaskTracker,
    ) -> Result<(Self, DeviceFacts), StartError> {
        let mut process = spawn(launch).map_err(|error| {
            let reason = format!("{}: {error}", launch.program.display());
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => StartError::Unusable(reason),
                // No process, memory or descriptor is left, or the file is being written: that may pass.
                _ => StartError::Lost(reason),
            }
        })?;
        let (Some(commands), Some(reports), Some(log)) =
            (process.stdin.take(), process.stdout.take(), process.stderr.take())
        else {
            return Err(StartError::Lost("its pipes are missing".to_owned()));
        };
        let reports = FramedRead::new(reports, protocol::codec());
        let mut child = Self { process, commands, reports, log: tracker.spawn(follow(log)) };
        match timeout(START, child.next()).await {
            Ok(Some(Report::Ready(facts))) => Ok((child, facts)),
            Ok(Some(Report::Failed(reason))) => Err(StartError::Unusable(reason)),
            Ok(Some(other)) => Err(StartError::Unusable(format!("its first word was {other:?}"))),
            Ok(None) => Err(StartError::Lost(child.post_mortem().await.reason)),
            Err(_) => Err(StartError::Lost(format!("trainer said nothing for {} s", START.as_secs()))),
        }
    }

    /// The trainer's next report; none when it has died. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let frame = self.reports.next().await?;
        frame
            .and_then(|frame| protocol::decode(&frame))
            .inspect_err(|error| warn!(%error, "trainer's report is unreadable"))
            .ok()
    }

    /// Gives the trainer a command; false when it does not take it.
    pub(crate) async fn send(&mut self, command: Command) -> bool {
        let frame = protocol::frame(command);
        matches!(timeout(HANDOVER, self.commands.write_all(&frame)).await, Ok(Ok(())))
    }

    /// Waits for a trainer that has closed its pipe, and says how it ended.
    pub(crate) async fn post_mortem(mut self) -> Death {
        let status = match timeout(HANDOVER, self.process.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        };
        let machine_fails = status.as_ref().is_ok_and(|status| status.code() == Some(MACHINE_FAILS));
        let end = status.map_or_else(|error| format!("trainer was lost: {error}"), describe);
        let last_line = timeout(HANDOVER, self.log).await;
        let reason = match last_line {
            Ok(Ok(line)) if !line.is_empty() => format!("{end}: {line}"),
            _ => end,
        };
        Death { reason, machine_fails }
    }

    /// Asks the trainer to end by closing its pipe; kills it where it does not.
    pub(crate) async fn close(mut self) {
        drop(self.commands);
        if timeout(HANDOVER, self.process.wait()).await.is_err() {
            drop(self.process.kill().await);
        }
    }

    /// Kills the trainer, whatever it is doing.
    pub(crate) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.process.start_kill()?;
        self.process.wait().await
    }
}

fn spawn(launch: &Launch) -> io::Result<tokio::process::Child> {
    let mut process = Process::new(&launch.program);
    // The path may be one that says nothing to people.
    process.arg0(NAME);
    process.arg("trainer").args(["--device", &launch.device.to_string()]);
    if let Some(cores) = &launch.cores {
        process.args(["--cores", &cores.to_string()]);
    }
    if let Some(data) = &launch.data {
        process.env("RUNG_DATA", data);
    }
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Ctrl-C reaches a terminal's whole process group; it is for the supervisor, which drains.
    process.process_group(0);
    process.spawn()
}

/// Copies a trainer's log into the supervisor's, line by line.
async fn follow(log: ChildStderr) -> String {
    let mut log = BufReader::new(log);
    let (mut line, mut last) = (Vec::new(), String::new());
    loop {
        line.clear();
        match (&mut log).take(LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        warn!("trainer: {text}");
        // Rust ends a panic's message with a note that explains nothing.
        if !text.is_empty() && !text.starts_with("note: ") {
            last = text;
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => match Signal::try_from(number) {
            Ok(signal) => format!("trainer was killed by signal {number} ({signal})"),
            Err(_) => format!("trainer was killed by signal {number}"),
        },
        (None, Some(code)) => format!("trainer exited with status {code}"),
        (None, None) => "trainer ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let ends = [
            (9, "killed by signal 9 (SIGKILL)"),
            (6, "killed by signal 6 (SIGABRT)"),
            (101 << 8, "exited with status 101"),
        ];
        for (raw, expected) in ends {
            let end = describe(ExitStatus::from_raw(raw));
            assert!(end.ends_with(expected), "{end}");
        }
    }
}
