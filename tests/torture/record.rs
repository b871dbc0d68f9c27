use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Most that the coordinator may hold, whatever was trained since it started.
const MEMORY_KIB: u64 = 256 << 10;

/// What came of a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its number, from 1.
    pub(crate) round: u32,
    /// What struck.
    pub(crate) fault: String,
    /// How many times.
    pub(crate) injected: u32,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Acknowledged calls that were looked after.
    pub(crate) calls: u32,
    /// Leases beyond those of the undisturbed run.
    pub(crate) repeated_leases: u32,
    /// Epochs that were trained again, at most.
    pub(crate) repeated_epochs: u64,
    /// The coordinator's resident memory at the end.
    pub(crate) coordinator_kib: u64,
    /// What must not be.
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { round, fault, injected, seconds, calls, .. } = self;
        let (leases, epochs, kib) = (self.repeated_leases, self.repeated_epochs, self.coordinator_kib);
        write!(
            f,
            "round {round:>4}  {fault:<16}  {injected:>3} hits  {calls:>3} calls  {leases:>3} leases and "
        )?;
        write!(f, "{epochs:>3} epochs again  {:>4} MiB  {seconds:>5.1} s", kib >> 10)?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  VIOLATION {violation}"))
    }
}

/// All rounds so far, of this run and of earlier ones with the same file.
#[derive(Debug)]
pub(crate) struct Records {
    path: PathBuf,
    rounds: Vec<Record>,
}

impl Records {
    /// Reads what earlier runs have written down.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("{} cannot be read", path.display()))?,
        };
        let rounds = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        let rounds = rounds.with_context(|| format!("{} is no record of torture", path.display()))?;
        Ok(Self { path: path.to_owned(), rounds })
    }

    /// The next round's number.
    pub(crate) fn next(&self) -> u32 {
        self.rounds.last().map_or(1, |last| last.round + 1)
    }

    /// Writes a round down.
    pub(crate) fn add(&mut self, mut record: Record) -> Result<()> {
        if record.coordinator_kib > MEMORY_KIB {
            record.violations.push(format!("the coordinator holds {} KiB", record.coordinator_kib));
        }
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        writeln!(file, "{}", serde_json::to_string(&record)?)?;
        self.rounds.push(record);
        Ok(())
    }

    /// How many violations there were.
    pub(crate) fn violations(&self) -> usize {
        self.rounds.iter().map(|round| round.violations.len()).sum()
    }

    /// Everything in one line, then a line for each fault.
    pub(crate) fn summary(&self) -> String {
        let seconds: f64 = self.rounds.iter().map(|round| round.seconds).sum();
        let hits: u32 = self.rounds.iter().map(|round| round.injected).sum();
        let calls: u32 = self.rounds.iter().map(|round| round.calls).sum();
        let memory = self.rounds.iter().map(|round| round.coordinator_kib).max().unwrap_or_default() >> 10;
        let mut faults = BTreeMap::<&str, (u32, u32, u32, u64)>::new();
        for round in &self.rounds {
            let sums = faults.entry(&round.fault).or_default();
            sums.0 += 1;
            sums.1 += round.injected;
            sums.2 += round.repeated_leases;
            sums.3 += round.repeated_epochs;
        }
        let rows = faults.into_iter().map(|(fault, (rounds, hits, leases, epochs))| {
            format!("\n  {fault:<16}  {rounds:>4} rounds  {hits:>5} hits  {leases:>5} leases and {epochs:>5} epochs again")
        });
        format!(
            "torture: {:.1} minutes, {} rounds, {hits} faults injected, {calls} acknowledged calls checked, at most \
             {memory} MiB, {} violations{}",
            seconds / 60.0,
            self.rounds.len(),
            self.violations(),
            rows.collect::<String>()
        )
    }
}
