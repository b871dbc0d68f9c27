use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::NamedTempFile;

use super::have_tools;

/// A process whose disk refuses to sync, as long as the value lives.
#[derive(Debug)]
pub struct FailingSyncs {
    strace: Child,
    log: NamedTempFile,
}

impl FailingSyncs {
    /// Lets the first of a process's syncs fail with EIO, and every so-many-th after it; counted for each of its
    /// threads. None where this machine cannot, which is said.
    pub async fn of(process: Pid, every: u32) -> Result<Option<Self>> {
        if !have_tools(&[("strace", "strace")]) {
            return Ok(None);
        }
        let log = NamedTempFile::new()?;
        let inject = format!("inject=fsync,fdatasync:error=EIO:when=1+{every}");
        let strace = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", &inject, "-o"])
            .arg(log.path())
            .args(["-p", &process.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let failing = Self { strace, log };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_traced(process)? {
            ensure!(Instant::now() < deadline, "strace does not get hold of process {process}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Some(failing))
    }

    /// How many syncs have failed so far.
    pub fn failed(&self) -> Result<usize> {
        Ok(fs::read_to_string(self.log.path())?.matches("(INJECTED)").count())
    }
}

impl Drop for FailingSyncs {
    fn drop(&mut self) {
        // SIGTERM lets the process go; SIGKILL might take it along.
        let _ = kill(Pid::from_raw(self.strace.id() as i32), Signal::SIGTERM);
        let _ = self.strace.wait();
    }
}

/// Whether all threads of a process are traced.
fn is_traced(process: Pid) -> Result<bool> {
    for task in fs::read_dir(PathBuf::from(format!("/proc/{process}/task")))? {
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        if status.lines().any(|line| line.split_whitespace().eq(["TracerPid:", "0"])) {
            return Ok(false);
        }
    }
    Ok(true)
}
