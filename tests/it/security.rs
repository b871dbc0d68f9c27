/// Two machines, as far as one can be two: everything by the line that is printed.
mod join;

/// Peers that mean harm, on loopback and bounded, beside honest workers.
mod hostile;

/// Secrets, where they must not be.
mod canary;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tests::{Ran, program, scratch};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A coordinator that other machines could reach; here, they are folders.
struct Open {
    folder: TempDir,
    child: Child,
    /// What it printed for other machines.
    line: String,
    workers: Vec<Child>,
}

impl Open {
    /// Starts `rung serve` on all addresses, advertised as this machine's own.
    fn start(flags: &[&str]) -> Result<Self> {
        let folder = scratch();
        let state = folder.path().join("state");
        let mut child = Command::new(program("rung"))
            .env("RUNG_CONFIG", "/dev/null")
            .args(["serve", "--listen", "0.0.0.0:0", "--advertise", "127.0.0.1", "--state"])
            .arg(&state)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("coordinator.log"))?)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its stdout")?).read_line(&mut line)?;
        let open = Self { folder, child, line: line.trim().to_owned(), workers: Vec::new() };
        // It prints before it serves; the file is there when it does.
        wait("the coordinator", || state.join("coordinator.json").exists())
            .context(open.log("coordinator"))?;
        Ok(open)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// The words of the printed line after the program's name.
    fn words(&self) -> Vec<&str> {
        let words: Vec<_> = self.line.split(' ').collect();
        assert_eq!((words[0], words[1], words[3]), ("rung-worker", "--join", "--token"), "{}", self.line);
        words[1..].to_vec()
    }

    /// Starts a worker on another "machine": a home of its own.
    fn worker(&mut self, home: &str, words: &[&str]) -> Result<usize> {
        let home = self.folder.path().join(home);
        fs::create_dir_all(&home)?;
        let name = format!("w{}", self.workers.len());
        let child = Command::new(program("rung-worker"))
            .args(words)
            .args(["--device", "cpu", "--slots", "1"])
            .env("RUNG_CONFIG", "/dev/null")
            .env("HOME", &home)
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join(format!("{name}.log")))?)
            .spawn()?;
        self.workers.push(child);
        Ok(self.workers.len() - 1)
    }

    /// Waits until so many workers are connected, and says their ids.
    fn connected(&self, count: usize) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let found = wait("workers", || {
            let rows = self.rung(&["worker", "-o", "json"]).json();
            ids = rows
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|row| row["worker"].as_str())
                .map(str::to_owned)
                .collect();
            ids.len() == count
        });
        found.with_context(|| format!("{ids:?}: {}\n{}", self.log("coordinator"), self.log("w0")))?;
        Ok(ids)
    }

    /// Runs `rung` as the coordinator's own user.
    fn rung(&self, args: &[&str]) -> Ran {
        tests::rung(&self.state(), args)
    }

    /// Waits until a worker ends; says its exit code and its log.
    fn ends(&mut self, worker: usize) -> Result<(Option<i32>, String)> {
        let mut status = None;
        let child = &mut self.workers[worker];
        wait("the worker to end", || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        })?;
        Ok((status.and_then(|status| status.code()), self.log(&format!("w{worker}"))))
    }

    fn kill(&mut self, worker: usize) -> Result<()> {
        self.workers[worker].kill()?;
        self.workers[worker].wait()?;
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for child in self.workers.iter_mut().chain([&mut self.child]) {
            // One that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait(what: &str, mut met: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !met() {
        if Instant::now() > deadline {
            bail!("waited 30 s for {what}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
