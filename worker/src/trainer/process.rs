//! The trainer process: what runs at the far end of a supervisor's pipe.
//!
//! Two threads. One reads commands, so that a stop arrives while the other trains; when the pipe ends it ends the
//! process, so that no trainer outlives a supervisor that was killed. All that leaves the process is reports on what
//! was standard output when it started; whatever else is printed, by libtorch for example, goes to the log.

#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::{
    fs::File,
    io::{self, BufReader, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{SigSet, Signal, kill},
    unistd::{Pid, dup2_stdout},
};

use super::{
    Control, EvaluateTask, Evaluated, Predicted, PredictedFile, Progress, TrainError, TrainTask, Trained,
    kinds::Trainers,
    protocol::{self, Command, Report},
};
use crate::{host, settings::TrainerArgs};

/// Shortest time between two signs of life: a step of a small model takes less than writing one.
const STEPS_EVERY: Duration = Duration::from_millis(100);

/// The status with which a trainer ends that its machine has failed; `EX_IOERR` in sysexits.h.
pub(crate) const MACHINE_FAILS: i32 = 74;

/// What a trainer is called in lists of processes.
pub(crate) const NAME: &str = "rung-worker";

/// What the thread that reads and the thread that trains share.
#[derive(Debug, Default)]
struct Shared {
    /// A [`Control`], as a number.
    control: AtomicU8,
    /// Whether a command is being worked on.
    busy: AtomicBool,
}

/// Works on a supervisor's commands until it closes the pipe.
pub fn run(args: &TrainerArgs) -> anyhow::Result<()> {
    let mut reports = claim_stdout()?;
    // Before any other thread starts, because threads inherit both.
    leave_signals_to_the_supervisor()?;
    take_name()?;
    if let Some(cores) = &args.cores
        && let Err(error) = host::pin(cores)
    {
        let reason = format!("trainer cannot be pinned to cores {cores}: {error}");
        return Ok(protocol::write(&mut reports, Report::Failed(reason))?);
    }
    let shared = Arc::new(Shared::default());
    let (sender, commands) = channel();
    let reader = shared.clone();
    thread::spawn(move || read(&reader, &sender));

    let opened = Trainers::open(args.device).and_then(|trainers| Ok((trainers.facts()?, trainers)));
    let (facts, mut trainers) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(protocol::write(&mut reports, Report::Failed(error.to_string()))?),
    };
    protocol::write(&mut reports, Report::Ready(facts))?;
    if let Some(reason) = serve(&mut trainers, &commands, &shared, &mut reports)? {
        drop(writeln!(io::stderr(), "{reason}"));
        std::process::exit(MACHINE_FAILS);
    }
    Ok(())
}

/// Takes standard output for reports, and gives everybody else the log instead.
fn claim_stdout() -> io::Result<File> {
    let pipe = io::stdout().as_fd().try_clone_to_owned()?;
    dup2_stdout(io::stderr())?;
    Ok(pipe.into())
}

/// Linux names a process after the path that it was started by, which may be `/proc/self/exe`.
fn take_name() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_name(&CString::new(NAME)?)?;
    Ok(())
}

/// A drain is told over the pipe; the signals for it often reach a whole group of processes.
fn leave_signals_to_the_supervisor() -> nix::Result<()> {
    let drains = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGHUP];
    drains.into_iter().collect::<SigSet>().thread_block()
}

/// Reads commands until the pipe ends.
fn read(shared: &Shared, commands: &Sender<Command>) {
    let mut pipe = BufReader::new(io::stdin());
    loop {
        match protocol::read(&mut pipe) {
            Ok(Some(Command::Stop { save })) => {
                let control = if save { Control::HandBack } else { Control::Abandon };
                shared.control.store(control as u8, Ordering::SeqCst);
            }
            Ok(Some(command)) => {
                // Here and not where the command is worked on: a stop that is read after it must not be lost.
                shared.control.store(Control::Continue as u8, Ordering::SeqCst);
                shared.busy.store(true, Ordering::SeqCst);
                drop(commands.send(command));
            }
            Ok(None) => break,
            Err(error) => {
                // Nothing is left to be understood on this pipe; the supervisor starts another trainer.
                drop(writeln!(io::stderr(), "command unreadable: {error}"));
                break;
            }
        }
    }
    if shared.busy.load(Ordering::SeqCst) {
        // Without the exit handlers of libraries that another thread is using this moment.
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}

/// Works on commands, one after the other, until there are no more; or until this machine fails, and says how.
fn serve(
    trainers: &mut Trainers,
    commands: &Receiver<Command>,
    shared: &Shared,
    reports: &mut File,
) -> io::Result<Option<String>> {
    for command in commands {
        // The supervisor's proof that the work has begun: a process that dies before this was only idle.
        protocol::write(reports, Report::Progress(Progress::Steps(0)))?;
        let voice = Voice::new(shared, reports);
        let ended = match command {
            Command::Train(task) => train(trainers, &task, voice),
            Command::Evaluate { task, scratch } => evaluate(trainers, &task, &scratch, voice),
            // The reading thread keeps stops to itself.
            Command::Stop { .. } => continue,
        };
        // First, so that a supervisor that reads the report and closes the pipe finds an idle process.
        shared.busy.store(false, Ordering::SeqCst);
        let report = match ended {
            Ok(report) => report,
            // By its status, not by a report: the supervisor is to start another once the machine may be well again.
            Err(TrainError::Machine(reason)) => return Ok(Some(reason)),
            Err(error) => Report::Failed(error.to_string()),
        };
        protocol::write(reports, report)?;
    }
    Ok(None)
}

/// What a trainer calls while it works: passes progress on, and answers with what the supervisor wants.
struct Voice<'a> {
    shared: &'a Shared,
    reports: &'a mut File,
    told: Instant,
    broken: Option<io::Error>,
}

impl<'a> Voice<'a> {
    fn new(shared: &'a Shared, reports: &'a mut File) -> Self {
        Self { shared, reports, told: Instant::now(), broken: None }
    }

    fn tell(&mut self, progress: Progress) -> Control {
        let worth_telling = !matches!(progress, Progress::Steps(_)) || self.told.elapsed() >= STEPS_EVERY;
        if worth_telling {
            self.told = Instant::now();
            if let Err(error) = protocol::write(self.reports, Report::Progress(progress)) {
                self.broken = Some(error);
                return Control::Abandon;
            }
        }
        let told = self.shared.control.load(Ordering::SeqCst);
        [Control::HandBack, Control::Abandon]
            .into_iter()
            .find(|c| *c as u8 == told)
            .unwrap_or(Control::Continue)
    }

    /// Fails where the supervisor has stopped listening.
    fn end(self) -> Result<(), TrainError> {
        match self.broken {
            Some(error) => Err(TrainError::Other(format!("the supervisor does not listen: {error}"))),
            None => Ok(()),
        }
    }
}

fn train(trainers: &mut Trainers, task: &TrainTask, mut voice: Voice<'_>) -> Result<Report, TrainError> {
    let trainer = trainers.of(task.study.model)?;
    let trained = trainer.train(task, &mut |progress| voice.tell(progress))?;
    voice.end()?;
    Ok(Report::Ended(trained))
}

fn evaluate(
    trainers: &mut Trainers,
    task: &EvaluateTask,
    scratch: &Path,
    mut voice: Voice<'_>,
) -> Result<Report, TrainError> {
    let trainer = trainers.of(task.study.model)?;
    let evaluated = trainer.evaluate(task, &mut |progress| voice.tell(progress))?;
    voice.end()?;
    let Some(Evaluated { test, validation }) = evaluated else {
        return Ok(Report::Ended(Trained::Abandoned));
    };
    Ok(Report::Evaluated {
        test: save(test, scratch.join("test.f32"))?,
        validation: validation.map(|part| save(part, scratch.join("validation.f32"))).transpose()?,
    })
}

fn save(predicted: Predicted, path: PathBuf) -> Result<PredictedFile, TrainError> {
    let bytes: Vec<u8> = predicted.probabilities.iter().flat_map(|p| p.to_le_bytes()).collect();
    std::fs::write(&path, bytes)
        .map_err(|error| TrainError::Machine(format!("cannot write {}: {error}", path.display())))?;
    Ok(PredictedFile { metrics: predicted.metrics, probabilities: path })
}
