//! What a worker was told, checked and with everything filled in.

use std::{
    env, io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{CommandFactory as _, error::ErrorKind};
use common::ids::WorkerId;
use config::{Coordinator, Cores, Device};
use data::Sources;
use trust::{OwnPki, Token};

use super::{Cli, JoinArgs, access};
use crate::{host, leave::Leave};

/// Everything a worker needs to know, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The coordinator to join.
    pub join: Coordinator,
    /// What to train on.
    pub device: Device,
    /// Trials to train at the same time; decided by the device where it is not given.
    pub slots: Option<u32>,
    /// The worker's id; that of its certificate, or one that is made up, where none is given.
    pub id: Option<WorkerId>,
    /// What it joins by.
    pub token: Option<Token>,
    /// Where its certificate is kept.
    pub identity: PathBuf,
    /// Where a coordinator of its own user publishes what lets it in.
    pub state: PathBuf,
    /// Certificates of the operator's own.
    pub pki: OwnPki,
    /// Where the worker makes its own folder for checkpoints on their way.
    pub scratch: PathBuf,
    /// Folder with data sets, besides the usual ones.
    pub data: Option<PathBuf>,
    /// Cores to divide among trainers and to pin them to; no pinning where they are not given.
    pub cores: Option<Cores>,
    /// Longest time without a step before a trainer is killed.
    pub hang_timeout: Duration,
    /// Least age of a checkpoint at which an epoch's end takes a new one.
    pub checkpoint_every: Duration,
    /// When the worker leaves by itself.
    pub leave: Leave,
    /// The program whose subcommand `trainer` is started for each slot.
    pub program: PathBuf,
}

impl TryFrom<JoinArgs> for Settings {
    type Error = clap::Error;

    /// Fills in what was not given; fails without an address, or where the system does not tell this program's own path.
    fn try_from(args: JoinArgs) -> Result<Self, clap::Error> {
        let missing = || {
            let message = "--join HOST:PORT is missing: `rung serve` prints a coordinator's address";
            Cli::command().error(ErrorKind::MissingRequiredArgument, message)
        };
        Ok(Self {
            token: args
                .access
                .token()
                .map_err(|error| Cli::command().error(ErrorKind::ValueValidation, error))?,
            pki: args.access.pki(),
            identity: args.access.identity.unwrap_or_else(access::default_identity),
            state: args.access.state.unwrap_or_else(trust::default_state),
            join: args.join.ok_or_else(missing)?,
            device: args.device,
            slots: args.slots,
            id: args.id,
            scratch: args.scratch.unwrap_or_else(env::temp_dir),
            data: args.data,
            cores: args.cores,
            hang_timeout: args.hang_timeout,
            checkpoint_every: args.checkpoint_every,
            leave: Leave {
                idle: args.leave.exit_when_idle,
                lifetime: args.leave.lifetime,
                alone: args.leave.death_timeout,
            },
            program: this_program().map_err(|error| Cli::command().error(ErrorKind::Io, error))?,
        })
    }
}

/// The program that runs now, for its trainers. On Linux by a name that means it whatever is put in its place meanwhile: a trainer
/// of another build would be understood by halves, and compute other numbers.
fn this_program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { env::current_exe() }
}

impl Settings {
    /// The settings, where this machine has what they name. Fails on cores that this process may not use, which no trainer
    /// could be pinned to, and on a folder with data sets that is not there.
    pub fn possible(self) -> Result<Self, clap::Error> {
        let refused = |problem: String| Cli::command().error(ErrorKind::ValueValidation, problem);
        if let (Some(cores), Some(usable)) = (&self.cores, host::usable_cores()) {
            within(cores, &usable).map_err(refused)?;
        }
        if let Some(folder) = &self.data {
            Sources::check_given(folder).map_err(|problem| refused(format!("--data: {problem}")))?;
        }
        Ok(self)
    }
}

/// Refuses cores that are not among those that this process may use.
fn within(cores: &Cores, usable: &Cores) -> Result<(), String> {
    match cores.without(usable) {
        None => Ok(()),
        Some(others) => Err(format!(
            "--cores names cores that this process may not use ({}): it may use {}",
            others.ranges(),
            usable.ranges()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    #[test]
    fn what_this_machine_lacks_is_refused() {
        let cores = |text: &str| text.parse::<Cores>().unwrap();
        assert_eq!(within(&cores("0-1"), &cores("0-3")), Ok(()));
        assert_eq!(
            within(&cores("0-99"), &cores("0,1,4")),
            Err("--cores names cores that this process may not use (2-3,5-99): it may use 0-1,4".to_owned())
        );
        let possible = |flag: &str, value: &str| {
            let settings = settings(&["--join", "host:7070", flag, value]).unwrap();
            settings.possible().map(drop).map_err(|error| (error.exit_code(), error.to_string()))
        };
        if let Some(usable) = host::usable_cores() {
            assert_eq!(possible("--cores", &usable.to_string()), Ok(()));
            let beyond = (0..=1023).find(|core| !usable.numbers().contains(core));
            if let Some(beyond) = beyond {
                let (code, said) = possible("--cores", &beyond.to_string()).unwrap_err();
                assert!(code == 2 && said.contains(&usable.ranges()), "{said}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(possible("--data", folder.path().to_str().unwrap()), Ok(()));
        let (code, said) = possible("--data", folder.path().join("none").to_str().unwrap()).unwrap_err();
        assert!(code == 2 && said.contains("--data: ") && said.contains("none` is not there"), "{said}");
    }
}
