//! Workers on this machine: `rung-worker` processes that live no longer than this one.

use std::{
    env,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use data::Sources;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use super::super::{defaults, failure::Failure, logging, text::plural};

/// How much of a worker's log is shown when it ends.
const TAIL: (u64, usize) = (16 << 10, 15);

/// Local workers that a core carries at most: each has a process and a trainer of its own, with libtorch in it.
const MOST_PER_CORE: u32 = 4;

/// Local workers that any machine may have: devices other than the CPU need few cores.
const ALWAYS: u32 = 8;

/// Workers that this process has started.
#[derive(Debug, Default)]
pub(crate) struct LocalWorkers(Vec<LocalWorker>);

#[derive(Debug)]
struct LocalWorker {
    name: String,
    child: Child,
    /// Open as long as the worker shall live: it leaves when this end closes, also when this process is killed.
    _lifeline: Option<ChildStdin>,
    scratch: PathBuf,
    log: PathBuf,
    log_begins: u64,
    ended: Option<ExitStatus>,
}

/// The `rung-worker` program: the one in `RUNG_WORKER`, or the one beside this program.
pub(crate) fn executable() -> Result<PathBuf, Failure> {
    let named = env::var_os("RUNG_WORKER").filter(|path| !path.is_empty()).map(PathBuf::from);
    let place = match named {
        Some(path) => path,
        None => env::current_exe()?.with_file_name("rung-worker"),
    };
    if place.is_file() {
        return Ok(place);
    }
    Err(Failure::failed(format!("the program that trains is missing: {} is not there", place.display())).help(
        "build it with `cargo build --release -p worker`, put it beside `rung`, or name it in RUNG_WORKER; \
         `--local 0` waits for workers elsewhere",
    ))
}

/// Refuses more workers than this machine can carry, before any has taken its memory.
pub(super) fn check_count(count: u32) -> Result<(), Failure> {
    let cores = usable_cores().len() as u32;
    let most = (MOST_PER_CORE * cores).max(ALWAYS);
    if count <= most {
        return Ok(());
    }
    let have = plural(cores, "core");
    Err(Failure::bad_input(format!("--local {count} is more than a machine of {have} carries"))
        .help(format!("use at most {most}; one for each core, {cores}, is usually fastest")))
}

/// Refuses a folder with data sets that local workers would refuse, before a study is stored for them.
pub(super) fn check_data_folder() -> Result<(), Failure> {
    let variable = env::var_os("RUNG_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let (named_by, folder) = match (variable, defaults::read()) {
        (None, Some(file)) => {
            let folder = config::File::read(file.to_owned())?.value("worker", "data");
            ("`data` of [worker] in the configuration file", folder.map(PathBuf::from))
        }
        (variable, _) => ("RUNG_DATA", variable),
    };
    match folder.map(|folder| Sources::check_given(&folder)) {
        Some(Err(problem)) => Err(Failure::bad_input(format!("{named_by}: {problem}"))),
        _ => Ok(()),
    }
}

impl LocalWorkers {
    /// Starts workers that join a coordinator, each with its share of this machine's cores.
    pub(super) fn start(
        &mut self,
        program: &Path,
        count: u32,
        join: &str,
        state: &Path,
    ) -> Result<(), Failure> {
        let cores = usable_cores();
        for index in 0..count as usize {
            let name = format!("worker-{}", index + 1);
            let share = share(&cores, index, count as usize);
            let worker = LocalWorker::start(program, &name, join, &share, state);
            self.0.push(
                worker.map_err(|error| {
                    Failure::failed(format!("cannot start {}: {error}", program.display()))
                })?,
            );
        }
        Ok(())
    }

    /// How many were started.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether none was started.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is to be said about workers that have ended since this was last asked.
    pub(crate) fn newly_ended(&mut self) -> Vec<String> {
        let ended = self.0.iter_mut().filter_map(|worker| worker.newly_ended());
        ended.collect()
    }

    /// Fails when there were workers and all have ended.
    pub(crate) fn any_left(&self) -> Result<(), Failure> {
        if self.0.is_empty() || self.0.iter().any(|worker| worker.ended.is_none()) {
            return Ok(());
        }
        Err(Failure::failed("all local workers have ended, so nothing more would be trained"))
    }

    /// Asks all to hand back what they train and leave, and waits; those that take too long are killed.
    pub(super) async fn drain(&mut self, grace: Duration) {
        for worker in &self.0 {
            worker.signal(Signal::SIGTERM);
        }
        let all = async {
            for worker in &mut self.0 {
                // A worker whose end cannot be waited for is killed below.
                let _ = worker.child.wait().await;
            }
        };
        if timeout(grace, all).await.is_err() {
            for worker in &mut self.0 {
                let _ = worker.child.kill().await;
            }
        }
        for worker in &self.0 {
            // Goes only where the worker has left nothing in it.
            let _ = fs::remove_dir(&worker.scratch);
        }
    }
}

impl LocalWorker {
    fn start(program: &Path, name: &str, join: &str, cores: &str, state: &Path) -> io::Result<Self> {
        let log = logging::folder(state)?.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let log_begins = out.metadata()?.len();
        let scratch = state.join("scratch").join(name);
        fs::create_dir_all(&scratch)?;
        let mut command = Command::new(program);
        if let Some(path) = defaults::read() {
            command.env("RUNG_CONFIG", path);
        }
        // It is let in as this user, and is one of several; what is in the environment is for this program.
        for variable in ["RUNG_TOKEN", "RUNG_TLS_CA", "RUNG_TLS_CERT", "RUNG_TLS_KEY", "RUNG_ID"] {
            command.env_remove(variable);
        }
        let mut child = command
            .args(["--join", join, "--cores", cores, "--exit-with-parent", "--scratch"])
            .arg(&scratch)
            .arg("--state")
            .arg(state)
            // A process group of its own: Ctrl-C is for this program, which then asks workers to leave in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()?;
        let lifeline = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, _lifeline: lifeline, scratch, log, log_begins, ended: None })
    }

    fn newly_ended(&mut self) -> Option<String> {
        if self.ended.is_some() {
            return None;
        }
        let status = self.child.try_wait().ok().flatten()?;
        self.ended = Some(status);
        let tail = tail(&self.log, self.log_begins).unwrap_or_default();
        let log = self.log.display();
        Some(format!("local {} has ended with {status}; its log {log} ends with:\n{tail}", self.name))
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id() {
            // It may have ended meanwhile, which is as good.
            let _ = kill(Pid::from_raw(pid as i32), signal);
        }
    }
}

/// The last lines of a log since some place.
fn tail(log: &Path, begins: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    let ends = file.metadata()?.len();
    file.seek(SeekFrom::Start(begins.max(ends.saturating_sub(TAIL.0))))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    Ok(lines[lines.len().saturating_sub(TAIL.1)..].join("\n"))
}

/// Cores that this process may use, by their numbers.
#[cfg(target_os = "linux")]
fn usable_cores() -> Vec<usize> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let cores: Vec<_> = (0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect();
    if cores.is_empty() { counted_cores() } else { cores }
}

#[cfg(not(target_os = "linux"))]
fn usable_cores() -> Vec<usize> {
    counted_cores()
}

fn counted_cores() -> Vec<usize> {
    (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
}

/// The cores of one of several workers: neighbours, as evenly as they divide; one for each where there are too few.
fn share(cores: &[usize], index: usize, count: usize) -> String {
    if count > cores.len() {
        return cores[index % cores.len()].to_string();
    }
    let (first, end) = (index * cores.len() / count, (index + 1) * cores.len() / count);
    cores[first..end].iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Code;

    #[test]
    fn cores_are_divided_and_none_is_left_over() {
        let shares = |cores: &[usize], count| (0..count).map(|i| share(cores, i, count)).collect::<Vec<_>>();
        assert_eq!(shares(&[0, 1], 1), ["0,1"]);
        assert_eq!(shares(&[0, 1], 2), ["0", "1"]);
        assert_eq!(shares(&[4, 5, 6, 7, 9], 2), ["4,5", "6,7,9"]);
        assert_eq!(shares(&[0, 1], 3), ["0", "1", "0"]);
        assert!(!usable_cores().is_empty());
    }

    #[test]
    fn no_more_workers_than_a_machine_carries() {
        let cores = usable_cores().len() as u32;
        let most = (MOST_PER_CORE * cores).max(ALWAYS);
        assert!(check_count(most).is_ok() && check_count(0).is_ok());
        let refused = check_count(most + 1).unwrap_err();
        assert_eq!(refused.code, Code::BadInput);
        assert!(refused.message.starts_with(&format!("--local {} is more than", most + 1)), "{refused:?}");
    }

    #[test]
    fn the_tail_is_of_this_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("worker-1.log");
        let lines: Vec<_> = (0..40).map(|n| format!("line {n}\n")).collect();
        fs::write(&log, format!("old\n{}", lines.concat())).unwrap();
        let text = tail(&log, 4).unwrap();
        assert_eq!(text.lines().count(), TAIL.1);
        assert!(text.starts_with("    line 25") && text.ends_with("line 39"), "{text}");
        fs::write(&log, "old\nnew\n").unwrap();
        assert_eq!(tail(&log, 4).unwrap(), "    new");
    }

    #[tokio::test]
    async fn a_worker_that_ends_is_reported_once_with_its_log() {
        let state = tempfile::tempdir().unwrap();
        let program = state.path().join("rung-worker");
        fs::write(&program, "#!/bin/sh\necho no libtorch here >&2\nexit 3\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut workers = LocalWorkers::default();
        workers.start(&program, 1, "127.0.0.1:1", state.path()).unwrap();
        workers.0[0].child.wait().await.unwrap();
        let ended = workers.newly_ended();
        assert_eq!(ended.len(), 1);
        assert!(
            ended[0].contains("exit status: 3") && ended[0].ends_with("    no libtorch here"),
            "{}",
            ended[0]
        );
        assert!(workers.newly_ended().is_empty());
        assert!(workers.any_left().is_err() && LocalWorkers::default().any_left().is_ok());
    }
}
