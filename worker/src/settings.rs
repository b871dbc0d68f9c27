//! What a worker is told when it starts: flags over `RUNG_*` variables over the configuration file over defaults.

mod access;
use access::AccessArgs;

mod checked;
pub use checked::Settings;

pub use config::{Coordinator, Cores, Device};

use std::{env, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use common::{duration, ids::WorkerId};
use config::{ConfigError, File, WORKER};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "rung-worker",
    version,
    about = "Trains the trials of a Rung cluster on this machine.",
    after_help = "SIGTERM, SIGINT and SIGUSR1 drain: trials are saved and handed back, then the worker exits with 0. \
                  A second SIGINT quits at once.\nExit codes: 0 drained, 1 failed, 2 bad input. RUNG_LOG sets the log \
                  filter, for example `worker=debug`.",
    args_conflicts_with_subcommands = true,
    override_usage = "rung-worker --join <HOST:PORT> [--token <TOKEN>] [OPTIONS]\n       rung-worker doctor [OPTIONS]"
)]
pub struct Cli {
    /// Something else than to join a coordinator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// File with defaults for flags; without it, rung/config.toml in your configuration folder (~/.config on Linux)
    // Read before the command line is.
    #[arg(long = "config", value_name = "FILE", env = "RUNG_CONFIG", global = true)]
    _config: Option<PathBuf>,
    /// How to join a coordinator, where there is no command.
    #[command(flatten)]
    pub join: JoinArgs,
}

impl Cli {
    /// The command line of this process, its flags' defaults from the configuration file. Ends the process where clap
    /// does; fails where the file cannot be used.
    pub fn of_this_process() -> Result<Self, ConfigError> {
        let program = config::prepared(Self::command());
        // A trainer is told everything by its supervisor; a file that has changed meanwhile is not its affair.
        let trainer = env::args_os().nth(1).is_some_and(|first| first == "trainer");
        let file = if trainer { None } else { File::of_this_process()? };
        let program = match file {
            Some(file) => file.defaults(program, &[WORKER])?,
            None => program,
        };
        Ok(Self::from_arg_matches(&program.get_matches()).unwrap_or_else(|error| error.exit()))
    }
}

/// What the program can do besides joining a coordinator.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what this worker would train on, and whether it can
    Doctor(DoctorArgs),
    /// Answer samples on stdin with logits and log-probabilities on stdout, for `rung predict` and `rung evaluate`
    #[command(hide = true)]
    Ask(AskArgs),
    /// Write a model as TorchScript, for `rung export`
    #[command(hide = true)]
    Torchscript(TorchscriptArgs),
    /// Be the trainer process of one slot, at the other end of its supervisor's pipe
    #[command(hide = true)]
    Trainer(TrainerArgs),
}

/// Flags of a worker that joins a coordinator.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The coordinator's address
    // Asked for when settings are made: clap would ask a subcommand for it too, as soon as any of these variables is set.
    #[arg(long, env = "RUNG_JOIN", value_name = "HOST:PORT")]
    join: Option<Coordinator>,
    /// What to train on: auto, cpu, cuda:N or mps
    #[arg(long, env = "RUNG_DEVICE", default_value_t = Device::Auto)]
    device: Device,
    /// Trials to train at the same time [default: one per core on a CPU, 1 elsewhere]
    #[arg(long, env = "RUNG_SLOTS", value_name = "N", value_parser = config::slots)]
    slots: Option<u32>,
    /// This worker's name, unique in the cluster [default: the host's name and a random suffix]
    #[arg(long, env = "RUNG_ID", value_name = "NAME")]
    id: Option<WorkerId>,
    /// Folder for checkpoints on their way, in a folder of the worker's own that goes with it [default: the system's temporary folder]
    #[arg(long, env = "RUNG_SCRATCH", value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Folder with data sets, searched before the user's and the system's
    #[arg(long, env = "RUNG_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Cores to divide among the trainers, for example 0-3,8; each is pinned to its own [default: all, not pinned]
    #[arg(long, env = "RUNG_CORES", value_name = "LIST")]
    cores: Option<Cores>,
    /// A trainer that makes no step for this long (seconds, or 90s, 5m), in training or evaluating, is killed and the
    /// attempt failed
    #[arg(long, env = "RUNG_HANG_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = duration::span)]
    hang_timeout: Duration,
    /// Exit as soon as stdin closes, as it does when the process that started this one ends in any way
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
    /// A checkpoint is taken at the end of an epoch when the last one is at least this old
    #[arg(long, env = "RUNG_CHECKPOINT_EVERY", value_name = "TIME", default_value = "10s", value_parser = duration::span)]
    checkpoint_every: Duration,
    // Behind all others: what follows a group stands under its heading.
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    leave: LeaveArgs,
}

/// When a worker leaves by itself; it stays for ever where none is given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Leaving")]
struct LeaveArgs {
    /// Exit with 0 after being connected and idle for this long: seconds, or 90s, 5m [without a value: 60s]
    #[arg(
        long,
        env = "RUNG_EXIT_WHEN_IDLE",
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s",
        value_parser = duration::span
    )]
    exit_when_idle: Option<Duration>,
    /// Drain and exit with 0 after this long, for example a little before a queue's time limit: 55m, 7h30m
    #[arg(long, env = "RUNG_LIFETIME", value_name = "TIME", value_parser = duration::span)]
    lifetime: Option<Duration>,
    /// Exit with 1 after being without the coordinator for this long
    #[arg(long, env = "RUNG_DEATH_TIMEOUT", value_name = "TIME", value_parser = duration::span)]
    death_timeout: Option<Duration>,
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// What to look at: auto, cpu, cuda:N or mps
    #[arg(long, env = "RUNG_DEVICE", default_value_t = Device::Auto)]
    pub device: Device,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How `doctor` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// One fact a line.
    Text,
    /// One JSON object.
    Json,
}

/// Flags of `ask`. Samples are floats as model.json asks for them, little-endian, one after another; so are a sample's
/// logits and then its log-probabilities.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// Folder with model.json and model.safetensors.
    #[arg(long)]
    pub model: PathBuf,
    /// What to compute on.
    #[arg(long, default_value_t = Device::Cpu)]
    pub device: Device,
}

/// Flags of `torchscript`.
#[derive(Debug, Args)]
pub struct TorchscriptArgs {
    /// Folder with model.json and model.safetensors.
    #[arg(long)]
    pub model: PathBuf,
    /// The file to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// Flags of a trainer process.
#[derive(Debug, Args)]
pub struct TrainerArgs {
    /// What to train on.
    #[arg(long)]
    pub device: Device,
    /// Cores to stay on; all where it is left out.
    #[arg(long)]
    pub cores: Option<Cores>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::leave::Leave;

    pub(crate) fn settings(args: &[&str]) -> Result<Settings, clap::Error> {
        let cli = Cli::try_parse_from([&["rung-worker"], args].concat())?;
        Settings::try_from(cli.join)
    }

    #[test]
    fn the_address_is_enough() {
        let settings = settings(&["--join", "127.0.0.1:7070"]).unwrap();
        assert_eq!(settings.join.to_string(), "127.0.0.1:7070");
        assert_eq!((settings.device, settings.slots), (Device::Auto, None));
        assert_eq!(settings.hang_timeout, Duration::from_secs(120));
    }

    #[test]
    fn bad_input_ends_with_2_and_names_the_flag() {
        let join = ["--join", "host:7070"];
        for bad in [
            &["--device", "gpu"][..],
            &["--slots", "0"],
            &["--id", "My Laptop"],
            &["--cores", "3-1"],
            &["--hang-timeout", "0"],
            &["--checkpoint-every", "soon"],
            &["--exit-when-idle=0"],
            &["--lifetime", "1 hour"],
            &["--death-timeout", "ever"],
        ] {
            let error = settings(&[&join[..], bad].concat()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad:?}");
            let flag = bad[0].split('=').next().unwrap_or_default();
            assert!(error.to_string().contains(flag), "{error}");
        }
        for slots in ["0", "1025", "x"] {
            let error = settings(&[&join[..], &["--slots", slots]].concat()).unwrap_err().to_string();
            assert!(error.contains("use a whole number from 1 to 1024"), "{error}");
        }
        let token = settings(&[&join[..], &["--token", "rung_hunter2"]].concat()).unwrap_err();
        assert!(token.exit_code() == 2 && !token.to_string().contains("hunter2"), "{token}");
        for bad in [&[][..], &["--join", "host"], &["--join", "http://host:1"]] {
            assert_eq!(settings(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn the_file_is_judged_here_as_by_the_program_that_starts_local_workers() {
        let folder = tempfile::tempdir().unwrap();
        // The first is empty.
        let values =
            " 0 1 -1 1025 x 9-1 0-3,8 gpu cpu cuda:1 soon 5m 0s here host:7070 http://host:1 some/folder";
        for key in WORKER.keys {
            for value in values.split(' ') {
                let path = folder.path().join("rung.toml");
                std::fs::write(&path, format!("[worker]\n{key} = \"{value}\"\n")).unwrap();
                let file = File::read(path).unwrap();
                let judged = |program: clap::Command, sections: &[config::Section]| {
                    file.defaults(program, sections).map(drop).map_err(|error| error.to_string())
                };
                let elsewhere = judged(clap::Command::new("rung"), &[]);
                assert_eq!(elsewhere, judged(Cli::command(), &[WORKER]), "{key} = {value}");
            }
        }
    }

    #[test]
    fn patience_is_a_span_of_time() {
        let flags = ["--join", "host:7070", "--hang-timeout", "1m", "--checkpoint-every", "0.001"];
        let settings = settings(&flags).unwrap();
        assert_eq!(settings.hang_timeout, Duration::from_secs(60));
        assert_eq!(settings.checkpoint_every, Duration::from_millis(1));
    }

    #[test]
    fn rules_for_leaving_are_spans_of_time() {
        let join = ["--join", "host:7070"];
        let leave = |flags: &[&str]| settings(&[&join[..], flags].concat()).unwrap().leave;
        assert_eq!(leave(&[]), Leave::default());
        let minute = Some(Duration::from_secs(60));
        assert_eq!(leave(&["--exit-when-idle"]), Leave { idle: minute, ..Leave::default() });
        let all = leave(&["--exit-when-idle=1m", "--lifetime", "1m", "--death-timeout", "60"]);
        assert_eq!(all, Leave { idle: minute, lifetime: minute, alone: minute });
    }

    #[test]
    fn other_commands_need_no_coordinator() {
        let cli = Cli::try_parse_from(["rung-worker", "doctor", "-o", "json"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Doctor(_))));
        let cli = Cli::try_parse_from(["rung-worker", "trainer", "--device", "cpu", "--cores", "1"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Trainer(args)) if args.device == Device::Cpu));
    }
}
