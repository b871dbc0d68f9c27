//! `rung-worker`: joins a coordinator and trains its trials.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::{self, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use worker::{
    WorkerError, doctor, model,
    settings::{Cli, Command, JoinArgs, Settings},
    trainer,
};

fn main() -> ExitCode {
    let cli = match Cli::of_this_process() {
        Ok(cli) => cli,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = log_to_stderr(matches!(cli.command, Some(Command::Trainer(_)))) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let done = match cli.command {
        Some(Command::Trainer(args)) => trainer::process::run(&args).map(|()| true),
        Some(Command::Doctor(args)) => {
            runtime().and_then(|runtime| runtime.block_on(doctor::run(&args, &mut io::stdout())))
        }
        Some(Command::Ask(args)) => model::ask(&args).map(|()| true),
        Some(Command::Torchscript(args)) => model::torchscript(&args).map(|()| true),
        None => runtime().and_then(|runtime| runtime.block_on(join(cli.join))).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            let bad_input = error.downcast_ref().is_some_and(WorkerError::is_bad_input);
            if bad_input { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// For how long signals count as one with the first: `timeout -s INT` signals a process and then its group.
const TOGETHER: Duration = Duration::from_secs(1);

/// Works until a signal says to drain; a second Ctrl-C quits on the spot.
async fn join(args: JoinArgs) -> anyhow::Result<()> {
    if args.exit_with_parent {
        thread::spawn(exit_with_stdin);
    }
    allow_trainers();
    let settings = Settings::try_from(args).and_then(Settings::possible).unwrap_or_else(|error| error.exit());
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut user = signal(SignalKind::user_defined1())?;
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    let signals = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = user.recv() => {}
        }
        told.cancel();
        let begun = Instant::now();
        loop {
            interrupt.recv().await;
            if begun.elapsed() >= TOGETHER {
                process::exit(130)
            }
        }
    };
    tokio::select! {
        result = worker::run(settings, shutdown) => Ok(result?),
        () = signals => Ok(()),
    }
}

/// Raises this process's limit of open files to what the system allows it, where it can: each trainer takes four, and the usual
/// 1,024 are too few for a machine of some hundred cores.
fn allow_trainers() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

/// Waits until stdin closes, then ends the process; its trainers end with the pipes that it holds.
fn exit_with_stdin() {
    // An error means that there is nothing left to wait for, as the end does.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    process::exit(1)
}

/// A worker's own messages, and what goes wrong in libraries; `RUNG_LOG` says otherwise.
///
/// A trainer's log goes through its supervisor, which adds the time.
fn log_to_stderr(trainer: bool) -> Result<(), String> {
    let filter = match env::var_os("RUNG_LOG") {
        None => EnvFilter::new("warn,worker=info"),
        Some(_) => EnvFilter::try_from_env("RUNG_LOG").map_err(|error| format!("RUNG_LOG: {error}"))?,
    };
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    if trainer {
        log.without_time().with_target(false).init();
    } else {
        log.init();
    }
    Ok(())
}

/// The supervisor waits far more than it computes: two threads leave the cores to the trainers.
fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().context("starting the runtime")
}
