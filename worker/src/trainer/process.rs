//! The trainer process: what runs at the far end of a supervisor's pipe.
//!
//! Two threads. One reads commands, so that a stop arrives while the other trains; when the pipe ends it ends the
//! process, so that no trainer outlives a supervisor that was killed. All that leaves the process is reports on what
//! was standard output when it started; whatever else is printed, by libtorch for example, goes to the log.

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
    Control, EvaluateTask, Evaluated, Predicted, PredictedFile, Progress, TrainError, TrainTask,
    kinds::Trainers,
    protocol::{self, Command, Report},
};
use crate::{host, settings::TrainerArgs};

/// Shortest time between two signs of life: a step of a small model takes less than writing one.
const STEPS_EVERY: Duration = Duration::from_millis(100);

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
    serve(&mut trainers, &commands, &shared, &mut reports)?;
    Ok(())
}

/// Takes standard output for reports, and gives everybody else the log instead.
fn claim_stdout() -> io::Result<File> {
    let pipe = io::stdout().as_fd().try_clone_to_owned()?;
    dup2_stdout(io::stderr())?;
    Ok(pipe.into())
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
                let control = if save { Control::Drain } else { Control::Abandon };
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

/// Works on commands, one after the other.
fn serve(
    trainers: &mut Trainers,
    commands: &Receiver<Command>,
    shared: &Shared,
    reports: &mut File,
) -> io::Result<()> {
    for command in commands {
        // The supervisor's proof that the work has begun: a process that dies before this was only idle.
        protocol::write(reports, Report::Progress(Progress::Steps(0)))?;
        let ended = match command {
            Command::Train(task) => train(trainers, &task, shared, reports),
            Command::Evaluate { task, scratch } => evaluate(trainers, &task, &scratch),
            // The reading thread keeps stops to itself.
            Command::Stop { .. } => continue,
        };
        // First, so that a supervisor that reads the report and closes the pipe finds an idle process.
        shared.busy.store(false, Ordering::SeqCst);
        protocol::write(reports, ended.unwrap_or_else(|error| Report::Failed(error.to_string())))?;
    }
    Ok(())
}

fn train(
    trainers: &mut Trainers,
    task: &TrainTask,
    shared: &Shared,
    reports: &mut File,
) -> Result<Report, TrainError> {
    let trainer = trainers.of(task.study.model)?;
    let (mut told, mut broken) = (Instant::now(), None);
    let trained = trainer.train(task, &mut |progress| {
        let worth_telling = !matches!(progress, Progress::Steps(_)) || told.elapsed() >= STEPS_EVERY;
        if worth_telling {
            told = Instant::now();
            if let Err(error) = protocol::write(reports, Report::Progress(progress)) {
                broken = Some(error);
                return Control::Abandon;
            }
        }
        control(shared)
    })?;
    match broken {
        Some(error) => Err(TrainError::Other(format!("the supervisor does not listen: {error}"))),
        None => Ok(Report::Ended(trained)),
    }
}

fn control(shared: &Shared) -> Control {
    let told = shared.control.load(Ordering::SeqCst);
    [Control::Drain, Control::Abandon].into_iter().find(|c| *c as u8 == told).unwrap_or(Control::Continue)
}

fn evaluate(trainers: &mut Trainers, task: &EvaluateTask, scratch: &Path) -> Result<Report, TrainError> {
    let Evaluated { test, validation } = trainers.of(task.study.model)?.evaluate(task)?;
    Ok(Report::Evaluated {
        test: save(test, scratch.join("test.f32"))?,
        validation: validation.map(|part| save(part, scratch.join("validation.f32"))).transpose()?,
    })
}

fn save(predicted: Predicted, path: PathBuf) -> Result<PredictedFile, TrainError> {
    let bytes: Vec<u8> = predicted.probabilities.iter().flat_map(|p| p.to_le_bytes()).collect();
    std::fs::write(&path, bytes)
        .map_err(|error| TrainError::Other(format!("{}: {error}", path.display())))?;
    Ok(PredictedFile { metrics: predicted.metrics, probabilities: path })
}
