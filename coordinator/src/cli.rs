//! The command line: one file per verb or noun.
//!
//! A command reads its flags, asks a [`crate::client::Cluster`] or starts a coordinator of its own, and hands what it
//! found to `output`, the only place that writes to the terminal. JSON for people stops here.

mod args;

mod defaults;

mod input;

mod output;

mod hints;

mod failure;

pub(crate) mod text;

mod rows;

mod files;

mod interrupt;

mod logging;

mod embedded;

mod join;

mod waiting;

mod mistyped;

mod watch;

mod run;

mod train;

mod plan;

mod serve;

mod study;

mod trial;

mod worker;

mod token;

mod login;

mod audit;

mod best;

mod ensemble;
mod trained;

mod export;

mod predict;

mod evaluate;

mod report;

mod model;

mod data;

mod doctor;

mod fsck;

mod backup;

mod completions;

mod man;

#[cfg(test)]
mod fixture;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::{
    Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    builder::{OsStr, Resettable},
    error::ContextKind,
};

use failure::{Code, Failure};
use interrupt::Interrupt;

/// Rung tunes hyperparameters on every machine you can reach.
///
/// It runs Hyperband over a search space: many configurations train for a few epochs, the best go on, nothing is
/// trained twice. `rung run mlp` tunes a dense network on Fashion-MNIST on this machine; workers on other machines
/// join with one command and may crash or leave at any time without changing the result.
#[derive(Debug, Parser)]
#[command(name = "rung", version, after_help = AFTER_HELP, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// File with defaults for flags; without it, rung/config.toml in your configuration folder (~/.config on Linux)
    // Read before the command line is: see `defaults`.
    #[arg(long = "config", value_name = "FILE", env = "RUNG_CONFIG", global = true)]
    _config: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Data goes to standard output, messages to standard error. Flags may also be given as variables (RUNG_STATE, \
RUNG_COORDINATOR, RUNG_LISTEN, …) or in a configuration file; a flag wins over its variable, and that over the file. NO_COLOR turns colours off, RUNG_LOG=debug shows \
more of what a coordinator does.

Exit codes: 0 done, 1 failed, 2 bad input and nothing changed, 124 timed out, 130 interrupted.

First steps: `rung plan mlp --max-epochs 9`, then `rung run mlp --max-epochs 9 --out result`.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Tune a study on this machine: a coordinator, local workers and the result, in one go
    ///
    /// Where a coordinator runs on the state folder already, the study is submitted to it. An unfinished study of the
    /// same name and content is resumed; a finished one stays, and the new one is called NAME-2. Ctrl-C once saves
    /// every epoch that was trained to its end and prints how to go on; twice quits at once, and what was stored is still
    /// there.
    Run(run::RunArgs),
    /// Train one configuration in full: a preset such as mlp-small, or a study of `kind: fixed`
    ///
    /// Where a preset and a search have the same name, `rung train mlp-best` trains the preset and `rung run mlp-best`
    /// runs the search.
    Train(train::TrainArgs),
    /// Show brackets, rungs, epochs and cost before anything is spent
    Plan(plan::PlanArgs),
    /// Run a coordinator that workers and other commands connect to
    ///
    /// It goes on with every unfinished study of its state folder. Ctrl-C stops it: workers keep what they train and
    /// come back when it does.
    Serve(serve::ServeArgs),
    /// Submit, list, watch, pause or delete studies; alone, it lists them
    ///
    /// Every verb works with or without a running coordinator; without one, changes are stored and count as soon as
    /// one runs.
    Study(study::StudyArgs),
    /// List a study's trials or show one with its learning curve; alone, it lists the latest study's
    Trial(trial::TrialArgs),
    /// List connected workers, send one away or shut it out; alone, it lists them
    Worker(worker::WorkerArgs),
    /// Give access to workers and people on other machines, list it and take it away; alone, it lists tokens
    Token(token::TokenArgs),
    /// Log in at a coordinator on another machine: later commands talk to it
    Login(login::LoginArgs),
    /// Forget a login
    Logout(login::LogoutArgs),
    /// Show who did what, and who was refused
    Audit(audit::AuditArgs),
    /// Make one model of several: train the best configuration with different seeds, and let them vote
    ///
    /// Members are the trials of a study of its own, so they use every worker and survive kills. An unfinished ensemble
    /// of the same name and content is resumed; a finished one is shown again by its own name. What is chosen is chosen
    /// on the validation part; the test part is only measured.
    Ensemble(ensemble::EnsembleArgs),
    /// Print a study's best configuration
    Best(best::BestArgs),
    /// Write a study's model or numbers in files that other programs read: PyTorch, TorchScript, CSV, JSON lines
    Export(export::ExportArgs),
    /// Tell what pictures show, by a model in a folder or a study's best
    ///
    /// Pictures must look like what the model was trained on. Fashion-MNIST's are 28 × 28, grey, white on black:
    /// `--resize` and `--invert` bring others there. Colours are turned to grey, transparency is left out.
    Predict(predict::PredictArgs),
    /// Measure a model on a data set: accuracy, loss and each class
    Evaluate(evaluate::EvaluateArgs),
    /// Write a study's report: one page to look at, the same numbers as JSON and CSV, the pictures as SVG
    ///
    /// It needs a study whose best trial has been evaluated, and Fashion-MNIST on this machine where the study trained on
    /// it: your own data comes out of the cluster's store. The page loads
    /// nothing from anywhere, so it can be mailed, printed or kept.
    Report(report::ReportArgs),
    /// List presets and stored weights, show a model's layers and parameters, add weights; alone, it lists
    Model(model::ModelArgs),
    /// List, show, verify, add or remove data sets; alone, it lists them
    Data(data::DataArgs),
    /// Check this machine: versions, state folder, coordinator, data and the worker's libtorch
    Doctor(doctor::DoctorArgs),
    /// Check a state folder: every promise that can be seen on disk, and what breaks it
    ///
    /// It only reads, beside a running coordinator or without one, and names the study, trial and attempt of whatever is
    /// wrong. Exit code 0 says that nothing is, 1 that something is. Every checkpoint that may still be asked for is read
    /// in full.
    Fsck(fsck::FsckArgs),
    /// Back a state folder up, beside a running coordinator or without one
    ///
    /// The backup is a state folder of one moment, with all checkpoints that its studies may still ask for, each verified;
    /// on the same file system they are linked and take no space. To restore it, copy it to where nothing
    /// is yet and serve the copy: `cp -a BACKUP STATE; rung serve --state STATE`.
    Backup(backup::BackupArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(man::ManArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let program = match defaults::applied(Cli::command()) {
        Ok(program) => program,
        Err(error) => return failed(&error.into()),
    };
    let typed: Vec<OsString> = std::env::args_os().collect();
    let matches = parsed(program, &typed).unwrap_or_else(|error| error.exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(cli.command.run_until_interrupted()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failed(&failure);
            if failure.code == Code::Interrupted {
                // What still computes is not waited for.
                runtime.shutdown_background();
            }
            code
        }
    }
}

/// How long a command that is interrupted has to let go of what it holds.
const LETTING_GO: Duration = Duration::from_millis(500);

/// What a command line says, or what is wrong with it.
fn parsed(program: clap::Command, typed: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let explained = |error| as_typed(mistyped::explained(error, &program, typed), program.clone(), typed);
    program.clone().try_get_matches_from(typed).map_err(explained)
}

/// The error with the usage line that it has where no variable is set. clap's own shows every flag that has a value, and so
/// those of variables, as if they were required.
fn as_typed(mut error: clap::Error, program: clap::Command, typed: &[OsString]) -> clap::Error {
    let again = without_variables(program).try_get_matches_from(typed).err();
    let again = again.filter(|again| again.kind() == error.kind());
    if let Some(usage) = again.as_ref().and_then(|again| again.get(ContextKind::Usage)) {
        error.insert(ContextKind::Usage, usage.clone());
    }
    error
}

/// The program whose flags, and those of all its commands, no variable gives.
fn without_variables(program: clap::Command) -> clap::Command {
    let typed = |arg: Arg| arg.env(Resettable::<OsStr>::Reset);
    program.mut_args(typed).mut_subcommands(without_variables)
}

impl Command {
    /// Whether it heeds signals itself.
    fn heeds_signals(&self) -> bool {
        matches!(
            self,
            Self::Run(_)
                | Self::Train(_)
                | Self::Serve(_)
                | Self::Ensemble(_)
                | Self::Study(_)
                | Self::Login(_)
        )
    }

    /// Runs to the end or until somebody interrupts. Either way its values are dropped, and so temporary folders deleted.
    async fn run_until_interrupted(self) -> Result<(), Failure> {
        if self.heeds_signals() {
            return self.run().await;
        }
        let mut interrupt = Interrupt::listen()?;
        let (asked, heard) = tokio::sync::oneshot::channel();
        // By a task of its own: the command may compute, and not come to hear anything.
        tokio::spawn(async move {
            interrupt.recv().await;
            let _ = asked.send(());
            tokio::time::sleep(LETTING_GO).await;
            std::process::exit(Code::Interrupted as i32);
        });
        tokio::select! {
            biased;
            done = self.run() => done,
            Ok(()) = heard => Err(Failure::interrupted("what was not done yet is left undone")),
        }
    }

    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run(args) => run::run(args).await,
            Self::Train(args) => train::run(args).await,
            Self::Plan(args) => plan::run(args).await,
            Self::Serve(args) => serve::run(args).await,
            Self::Study(args) => study::run(args).await,
            Self::Trial(args) => trial::run(args).await,
            Self::Worker(args) => worker::run(args).await,
            Self::Token(args) => token::run(args).await,
            Self::Login(args) => login::login(args).await,
            Self::Logout(args) => login::logout(args),
            Self::Audit(args) => audit::run(args).await,
            Self::Ensemble(args) => ensemble::run(args).await,
            Self::Best(args) => best::run(args).await,
            Self::Export(args) => export::run(args).await,
            Self::Predict(args) => predict::run(args).await,
            Self::Evaluate(args) => evaluate::run(args).await,
            Self::Report(args) => report::run(args).await,
            Self::Model(args) => model::run(args).await,
            Self::Data(args) => data::run(args).await,
            Self::Doctor(args) => doctor::run(args).await,
            Self::Fsck(args) => fsck::run(args).await,
            Self::Backup(args) => backup::run(args).await,
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}

fn failed(failure: &Failure) -> ExitCode {
    if failure.silent {
        return ExitCode::SUCCESS;
    }
    output::failure(failure);
    ExitCode::from(failure.code as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_says_what_it_is_for() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} of {} says nothing", arg.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn usage_lines_leave_out_what_variables_give() {
        // A variable that every test has.
        let state = Arg::new("state").long("state").env("PATH");
        let (out, limit) = (Arg::new("out").long("out"), Arg::new("limit").long("limit"));
        let report = clap::Command::new("report").args([state, out.required(true), limit]);
        let program = clap::Command::new("rung").subcommand(report);
        let typed = ["rung", "report", "--limit", "5"].map(OsString::from);
        let by_itself = program.clone().try_get_matches_from(&typed).unwrap_err().to_string();
        assert!(by_itself.contains("--state"), "nothing to mend: {by_itself}");
        let said = parsed(program, &typed).unwrap_err().to_string();
        assert!(said.contains("Usage: rung report --out <out> --limit <limit>"), "{said}");
        assert!(!said.contains("--state"), "{said}");
    }

    #[test]
    fn a_noun_alone_lists() {
        for line in [
            "rung study",
            "rung trial",
            "rung trial @last -o csv",
            "rung worker -o json",
            "rung data",
            "rung model",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap();
        }
        assert_eq!(Cli::try_parse_from(["rung", "stduy"]).unwrap_err().exit_code(), 2);
    }
}
