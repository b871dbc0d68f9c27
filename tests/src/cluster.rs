//! A coordinator and workers, each a process.

mod asked;

mod row;

pub use row::Row;

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{faults::Wrapper, program, rung, scratch};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A running cluster; its processes end with the value.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    address: String,
    lease: u32,
    /// More flags of `rung serve`.
    serve: Vec<String>,
    /// What the coordinator is started through from now on.
    serve_in: Wrapper,
    /// The size of the disk that the state folder lies on, where it is one of its own.
    disk: Option<String>,
    /// What workers of other machines join by, once there is one.
    token: Option<String>,
    coordinator: Option<Child>,
    workers: Vec<Option<Child>>,
}

impl Cluster {
    /// A coordinator and so many workers with one slot each.
    pub async fn start(workers: usize) -> Result<Self> {
        Self::with_lease(workers, 30).await
    }

    /// The same, with leases of so many seconds.
    pub async fn with_lease(workers: usize, lease: u32) -> Result<Self> {
        let mut cluster = Self::stopped(lease);
        cluster.begin(workers).await?;
        Ok(cluster)
    }

    /// The same, with the state folder on a disk of its own of so many bytes (`4m`), which only root can make.
    pub async fn on_small_disk(workers: usize, lease: u32, size: &str) -> Result<Self> {
        let mut cluster = Self::stopped(lease);
        cluster.disk = Some(size.to_owned());
        cluster.begin(workers).await?;
        Ok(cluster)
    }

    /// A cluster without any process yet.
    pub fn stopped(lease: u32) -> Self {
        Self {
            folder: scratch(),
            address: "127.0.0.1:0".to_owned(),
            lease,
            serve: Vec::new(),
            serve_in: Wrapper::default(),
            disk: None,
            token: None,
            coordinator: None,
            workers: Vec::new(),
        }
    }

    async fn begin(&mut self, workers: usize) -> Result<()> {
        self.start_coordinator().await?;
        (0..workers).try_for_each(|_| self.start_worker(&[]).map(drop))
    }

    /// Gives more flags to every coordinator that is started from now on.
    pub fn serve_with(&mut self, flags: &[&str]) {
        self.serve = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Waits until the coordinator ends by itself; returns its exit code.
    pub async fn coordinator_ends(&mut self) -> Result<Option<i32>> {
        let mut child = self.coordinator.take().context("the coordinator is gone")?;
        let ended = wait_for("the coordinator to end", 30, async || Ok(child.try_wait()?)).await;
        Ok(ended.with_context(|| self.logs())?.code())
    }

    /// Forgets the running coordinator, which goes on; whoever gets it must end it.
    pub fn let_go(&mut self) -> Result<Child> {
        self.coordinator.take().context("the coordinator is gone")
    }

    /// The state folder as the coordinator sees it, on whatever disk.
    pub fn disk(&self) -> Result<PathBuf> {
        let coordinator = self.coordinator.as_ref().context("the coordinator is gone")?;
        let root = PathBuf::from(format!("/proc/{}/root", coordinator.id()));
        Ok(root.join(self.state().strip_prefix("/")?))
    }

    /// Starts the coordinator through something, from its next start on.
    pub fn serve_in(&mut self, wrapper: Wrapper) {
        self.serve_in = wrapper;
    }

    /// The folder of everything that the cluster writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The coordinator's state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where workers keep their certificates.
    pub fn identities(&self) -> PathBuf {
        self.folder.path().join("identities")
    }

    /// Where the coordinator listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Starts the coordinator: on any port the first time, on the same one after that.
    pub async fn start_coordinator(&mut self) -> Result<()> {
        let address_file = self.folder.path().join("address");
        // A killed coordinator leaves its file behind.
        let _ = fs::remove_file(&address_file);
        let mut command = self.on_disk()?;
        command
            .env("RUNG_CONFIG", "/dev/null")
            .args(["serve", "--listen", &self.address])
            .args(["--lease", &self.lease.to_string()])
            .args(&self.serve)
            .arg("--state")
            .arg(self.state())
            .arg("--address-file")
            .arg(&address_file)
            .stdout(Stdio::null())
            .stderr(self.log("coordinator")?);
        self.coordinator = Some(command.spawn().context("rung does not start")?);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(text) = fs::read_to_string(&address_file) {
                self.address = text.trim().to_owned();
                return Ok(());
            }
            let ended = self.coordinator.as_mut().and_then(|child| child.try_wait().transpose());
            if ended.is_some() || Instant::now() > deadline {
                bail!("the coordinator did not start:\n{}", self.logs());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts a coordinator on any port, whatever the last one had.
    pub async fn start_anywhere(&mut self) -> Result<()> {
        self.address = "127.0.0.1:0".to_owned();
        self.start_coordinator().await
    }

    /// `rung`, in a mount namespace of its own where the state folder has its own disk.
    fn on_disk(&self) -> Result<Command> {
        let Some(size) = &self.disk else { return Ok(self.serve_in.command(program("rung"))) };
        fs::create_dir_all(self.state())?;
        let mut command = Command::new("unshare");
        let mount = "mount -t tmpfs -o size=\"$1\" none \"$2\" && shift 2 && exec \"$@\"";
        command.args(["--mount", "--", "sh", "-c", mount, "sh", size]).arg(self.state()).arg(program("rung"));
        Ok(command)
    }

    /// Starts a worker with one slot and more flags, `--id` among them or not; returns its index.
    pub fn start_worker(&mut self, flags: &[&str]) -> Result<usize> {
        self.start_worker_in(&Wrapper::default(), flags)
    }

    /// The same, started through something.
    pub fn start_worker_in(&mut self, wrapper: &Wrapper, flags: &[&str]) -> Result<usize> {
        let id = format!("w{}", self.workers.len());
        let address = self.address.clone();
        let mut all = vec!["--join", &address];
        if !flags.contains(&"--id") {
            all.extend(["--id", &id]);
        }
        let state = self.state_seen_from_here()?;
        let mut flags: Vec<String> = [&all, flags].concat().iter().map(ToString::to_string).collect();
        if !wrapper.is_abroad() {
            return self.start_worker_with(wrapper, &state, &flags);
        }
        // Whoever comes from another machine speaks TLS, and says by a token who it is.
        flags.extend(["--token".to_owned(), self.join_token()?]);
        let elsewhere = self.folder.path().join("elsewhere");
        self.start_worker_with(wrapper, &elsewhere, &flags)
    }

    /// A token by which any number of workers of other machines join; made once.
    fn join_token(&mut self) -> Result<String> {
        if self.token.is_none() {
            let made = rung(&self.state(), &["token", "create", "--uses", "10000", "--for", "24h"]).ok();
            self.token = made.stdout.split_whitespace().last().map(str::to_owned);
        }
        self.token.clone().context("`rung token create` prints a token")
    }

    /// The state folder, where the coordinator has it on a disk of its own by way of its process.
    fn state_seen_from_here(&self) -> Result<PathBuf> {
        if self.disk.is_some() { self.disk() } else { Ok(self.state()) }
    }

    /// Starts a worker with one slot that is told nothing but a state folder and these flags; returns its index.
    pub fn start_worker_with(
        &mut self,
        wrapper: &Wrapper,
        state: &Path,
        flags: &[impl AsRef<OsStr>],
    ) -> Result<usize> {
        let index = self.workers.len();
        let mut command = wrapper.command(program("rung-worker"));
        command
            .env("RUNG_CONFIG", "/dev/null")
            .env_remove("RUNG_TOKEN")
            .args(["--device", "cpu", "--slots", "1", "--checkpoint-every", "0.05"])
            .args(flags)
            .arg("--state")
            .arg(state)
            .arg("--identity")
            .arg(self.identities())
            .arg("--scratch")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(self.log(&format!("w{index}"))?);
        self.workers.push(Some(command.spawn().context("rung-worker does not start")?));
        Ok(index)
    }

    /// Kills a worker with SIGKILL: it can say nothing more.
    pub fn kill_worker(&mut self, index: usize) -> Result<()> {
        let mut child = self.workers[index].take().context("that worker is gone")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Whether a worker's process has ended by itself.
    pub fn worker_has_ended(&mut self, index: usize) -> Result<bool> {
        match &mut self.workers[index] {
            Some(child) => Ok(child.try_wait()?.is_some()),
            None => Ok(false),
        }
    }

    /// Kills the coordinator with SIGKILL.
    pub fn kill_coordinator(&mut self) -> Result<()> {
        let mut child = self.coordinator.take().context("the coordinator is gone")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks a worker to drain with a signal; returns its exit code.
    pub async fn drain_worker(&mut self, index: usize, signal: Signal) -> Result<Option<i32>> {
        self.signal_worker(index, signal)?;
        self.worker_ends(index).await
    }

    /// Sends a signal to a worker.
    pub fn signal_worker(&self, index: usize, signal: Signal) -> Result<()> {
        Ok(kill(pid(self.workers[index].as_ref().context("that worker is gone")?), signal)?)
    }

    /// Sends a signal to the coordinator.
    pub fn signal_coordinator(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.coordinator_id()?, signal)?)
    }

    /// The coordinator's process id.
    pub fn coordinator_id(&self) -> Result<Pid> {
        Ok(pid(self.coordinator.as_ref().context("the coordinator is gone")?))
    }

    /// The coordinator's resident memory, in KiB.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.coordinator_id()?))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has memory")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Waits until a worker ends; returns its exit code.
    pub async fn worker_ends(&mut self, index: usize) -> Result<Option<i32>> {
        let mut child = self.workers[index].take().context("that worker is gone")?;
        let ended = wait_for("the worker to end", 30, async || Ok(child.try_wait()?)).await;
        Ok(ended.with_context(|| self.logs())?.code())
    }

    /// Process ids of the trainers of a worker.
    pub fn trainers(&self, index: usize) -> Result<Vec<Pid>> {
        let worker = self.workers[index].as_ref().context("that worker is gone")?;
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", worker.id()))?;
        let mut pids: Vec<Pid> =
            children.split_whitespace().flat_map(str::parse).map(Pid::from_raw).collect();
        for task in fs::read_dir(format!("/proc/{}/task", worker.id()))? {
            let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().flat_map(str::parse).map(Pid::from_raw));
        }
        pids.sort();
        pids.dedup();
        Ok(pids)
    }

    /// Everything that the processes have logged.
    pub fn logs(&self) -> String {
        let logs = fs::read_dir(self.folder.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        let texts = logs.filter(|path| path.extension().is_some_and(|end| end == "log")).map(|path| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("--- {}\n{tail}", path.file_name().unwrap_or_default().display())
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    fn log(&self, name: &str) -> Result<File> {
        let path = self.folder.path().join(format!("{name}.log"));
        Ok(File::options().create(true).append(true).open(path)?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.workers.iter_mut().chain([&mut self.coordinator]).flatten() {
            // A child that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Looks again and again until something is there; fails after so many seconds.
async fn wait_for<T>(
    what: &str,
    seconds: u64,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut last = None;
    while Instant::now() < deadline {
        match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => last = None,
            // A coordinator that is being restarted does not answer.
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(LOOK).await;
    }
    match last {
        Some(error) => Err(error.context(format!("waited {seconds} s for {what}"))),
        None => bail!("waited {seconds} s for {what}"),
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}
