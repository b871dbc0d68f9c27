use std::{fmt, str::FromStr};

use anyhow::{Result, anyhow};

use crate::dice::Dice;

/// What strikes in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// kill -9 of a worker.
    WorkerKill,
    /// kill -9 of the coordinator.
    CoordinatorKill,
    /// kill -9, or a segmentation fault, of a trainer.
    TrainerKill,
    /// A worker stands still for longer than its lease.
    WorkerStop,
    /// The coordinator stands still for longer than a lease.
    CoordinatorStop,
    /// No packet passes between a worker and the coordinator.
    Cut,
    /// Packets pass one way only.
    OneWay,
    /// A connection comes and goes.
    Flapping,
    /// A fifth of the packets are lost.
    Loss,
    /// Links take so little that what is sent waits.
    Slow,
    /// Connections are reset.
    Reset,
    /// The coordinator's disk is full for a while.
    DiskFull,
    /// Syncing the coordinator's disk fails.
    Sync,
    /// Wall clocks jump; monotonic ones start elsewhere.
    Clock,
    /// Bits of what is stored turn over.
    Corruption,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 15] = [
        Self::WorkerKill,
        Self::CoordinatorKill,
        Self::TrainerKill,
        Self::WorkerStop,
        Self::CoordinatorStop,
        Self::Cut,
        Self::OneWay,
        Self::Flapping,
        Self::Loss,
        Self::Slow,
        Self::Reset,
        Self::DiskFull,
        Self::Sync,
        Self::Clock,
        Self::Corruption,
    ];

    /// The fault of a round: every kind once in as many rounds as there are kinds, in another order each time.
    pub(crate) fn of_round(seed: u64, round: u32) -> Self {
        let mut kinds = Self::ALL;
        let (turn, place) = (round / kinds.len() as u32, round as usize % kinds.len());
        let mut dice = Dice::of(seed, u32::MAX - turn);
        for end in (1..kinds.len()).rev() {
            kinds.swap(end, dice.below(end as u64 + 1) as usize);
        }
        kinds[place]
    }

    /// Whether it is to strike a worker that is at work.
    pub(crate) fn wants_work(self) -> bool {
        matches!(self, Self::WorkerKill | Self::TrainerKill | Self::WorkerStop | Self::Cut | Self::OneWay)
    }

    /// Its name on the command line and in records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WorkerKill => "worker-kill",
            Self::CoordinatorKill => "coordinator-kill",
            Self::TrainerKill => "trainer-kill",
            Self::WorkerStop => "worker-stop",
            Self::CoordinatorStop => "coordinator-stop",
            Self::Cut => "cut",
            Self::OneWay => "one-way",
            Self::Flapping => "flapping",
            Self::Loss => "loss",
            Self::Slow => "slow",
            Self::Reset => "reset",
            Self::DiskFull => "disk-full",
            Self::Sync => "sync",
            Self::Clock => "clock",
            Self::Corruption => "corruption",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            anyhow!("there is no fault `{text}`: faults are {names}")
        })
    }
}
