//! `rung-worker` as a child process.

use std::{
    fs,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::coordinator::{Coordinator, PATIENCE};

/// A worker with a scratch folder of its own.
pub(crate) struct Worker {
    child: Child,
    pub(crate) scratch: TempDir,
}

impl Worker {
    /// Starts a worker with one slot; later flags win over earlier ones.
    pub(crate) fn start(coordinator: &Coordinator, flags: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = program();
        command.args(["--join", &coordinator.address(), "--device", "cpu", "--id", "w"]);
        command.arg("--scratch").arg(scratch.path()).args(flags);
        if !flags.contains(&"--slots") {
            command.args(["--slots", "1"]);
        }
        Self { child: command.kill_on_drop(true).spawn().unwrap(), scratch }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("the worker ends").unwrap()
    }

    /// The processes of the worker's trainers.
    pub(crate) fn trainers(&self) -> Vec<Pid> {
        children(self.pid())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("the worker lives") as i32)
    }
}

/// The program, free of this process's own settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rung-worker"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RUNG_") {
            command.env_remove(name);
        }
    }
    command.env("RUNG_CONFIG", "/dev/null").stdin(Stdio::null());
    command
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: Pid) {
    let waiting = async {
        while alive(pid) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the process ends");
}

/// Whether a process runs; one that has ended but was not waited for does not.
fn alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn children(parent: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let all: String = lists.collect();
    all.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).filter(|pid| alive(*pid)).collect()
}
