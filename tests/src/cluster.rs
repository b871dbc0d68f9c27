//! A coordinator and workers, each a process.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::TrialNumber,
    study::StudySpec,
    trial::TrialState,
    view::{BestView, StudyPhase, StudyView, TrialView, WorkerView},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::{self as pb, study_service_client::StudyServiceClient};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::{program, scratch};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One row of a study's result: everything that must not depend on workers, faults or time.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The trial's number.
    pub trial: TrialNumber,
    /// Its bracket.
    pub bracket: u32,
    /// The rung it ended on.
    pub rung: u32,
    /// Epochs trained.
    pub epochs: u32,
    /// How it ended.
    pub state: TrialState,
    /// The bits of its objective's value.
    pub value: Option<u64>,
    /// What it trained with.
    pub hparams: Hparams,
    /// The digest of its weights.
    pub weights: Option<Digest>,
}

/// A running cluster; its processes end with the value.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    address: String,
    lease: u32,
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
        let mut cluster = Self {
            folder: scratch(),
            address: "127.0.0.1:0".to_owned(),
            lease,
            coordinator: None,
            workers: Vec::new(),
        };
        cluster.start_coordinator().await?;
        for _ in 0..workers {
            cluster.start_worker(&[])?;
        }
        Ok(cluster)
    }

    /// The coordinator's state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
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
        let mut command = Command::new(program("rung"));
        command
            .env("RUNG_CONFIG", "/dev/null")
            .args(["serve", "--listen", &self.address])
            .args(["--lease", &self.lease.to_string()])
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

    /// Starts a worker with one slot and more flags, `--id` among them or not; returns its index.
    pub fn start_worker(&mut self, flags: &[&str]) -> Result<usize> {
        let index = self.workers.len();
        let mut command = Command::new(program("rung-worker"));
        command
            .env("RUNG_CONFIG", "/dev/null")
            .args(["--join", &self.address, "--device", "cpu", "--slots", "1"])
            .args(["--checkpoint-every", "0.05"])
            .args(flags)
            .arg("--scratch")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(self.log(&format!("w{index}"))?);
        if !flags.contains(&"--id") {
            command.args(["--id", &format!("w{index}")]);
        }
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

    /// A client of the study service.
    pub async fn client(&self) -> Result<StudyServiceClient<Channel>> {
        Ok(StudyServiceClient::new(self.channel().await?))
    }

    /// A connection to the coordinator.
    pub async fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.address))?.connect().await?)
    }

    /// Submits a study file.
    pub async fn submit(&self, yaml: &str) -> Result<StudyView> {
        let spec = StudySpec::from_yaml(yaml)?;
        let request = pb::SubmitStudyRequest { spec_json: spec.to_json(), on_conflict: 0 };
        let reply = self.client().await?.submit_study(request).await?.into_inner();
        Ok(reply.study.context("a study comes back")?.try_into()?)
    }

    /// A study as it is now.
    pub async fn study(&self, study: &str) -> Result<StudyView> {
        let detail = self.client().await?.get_study(reference(study)).await?.into_inner();
        Ok(detail.study.context("a study comes back")?.try_into()?)
    }

    /// A study's trials as they are now.
    pub async fn trials(&self, study: &str) -> Result<Vec<TrialView>> {
        let reply = self.client().await?.list_trials(reference(study)).await?.into_inner();
        Ok(reply.trials.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
    }

    /// A study's best trial.
    pub async fn best(&self, study: &str) -> Result<BestView> {
        Ok(self.client().await?.get_best(reference(study)).await?.into_inner().try_into()?)
    }

    /// Workers that are connected.
    pub async fn connected(&self) -> Result<Vec<WorkerView>> {
        let reply = self.client().await?.list_workers(pb::ListWorkersRequest {}).await?.into_inner();
        Ok(reply.workers.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
    }

    /// Waits until a study satisfies a condition.
    pub async fn until(
        &self,
        study: &str,
        seconds: u64,
        met: impl Fn(&StudyView) -> bool,
    ) -> Result<StudyView> {
        let found = wait_for("the study", seconds, async || {
            let view = self.study(study).await?;
            Ok(met(&view).then_some(view))
        });
        found.await.with_context(|| self.logs())
    }

    /// Waits until a trial has trained an epoch: its trainer is at work then, and not only told to be.
    pub async fn until_trained(&self, study: &str, trial: u32, seconds: u64) -> Result<()> {
        let trained = wait_for("the trial's first epoch", seconds, async || {
            let request = pb::GetTrialRequest { study: study.to_owned(), trial };
            // Until it is drawn there is no such trial.
            let detail = self.client().await?.get_trial(request).await;
            Ok(detail.is_ok_and(|detail| !detail.get_ref().curve.is_empty()).then_some(()))
        });
        trained.await.with_context(|| self.logs())
    }

    /// Waits until a study has finished, and returns its result table.
    pub async fn table(&self, study: &str) -> Result<Vec<Row>> {
        let view = self.until(study, 300, |view| view.phase == StudyPhase::Finished).await?;
        ensure!(view.complete, "the study is not complete: {view:?}");
        Ok(self.trials(study).await?.into_iter().map(row).collect())
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

fn reference(study: &str) -> pb::StudyRef {
    pb::StudyRef { study: study.to_owned() }
}

fn row(trial: TrialView) -> Row {
    Row {
        trial: trial.trial,
        bracket: trial.bracket,
        rung: trial.rung,
        epochs: trial.epochs,
        state: trial.state,
        value: trial.value.map(f64::to_bits),
        hparams: trial.hparams,
        weights: trial.checkpoint.map(|checkpoint| checkpoint.weights),
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}
