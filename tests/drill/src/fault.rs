//! What can go wrong, and how often it did.

use std::{collections::BTreeMap, fmt};

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A worker is killed, and started again.
    WorkerKill,
    /// A worker's machine loses power: its stream stays open, and silent.
    WorkerPower,
    /// A worker is stopped for a while, often beyond its lease, and then goes on.
    WorkerFreeze,
    /// A trainer at work dies.
    TrainerKill,
    /// A trainer makes no more steps.
    TrainerHang,
    /// A stream is reset; what is on its way may be lost.
    Reset,
    /// Nothing passes between a worker and the coordinator.
    Partition,
    /// Nothing passes from a worker to the coordinator, or the other way round.
    OneWay,
    /// A partition that comes and goes every few seconds.
    Flapping,
    /// Packets are lost: everything takes up to seconds.
    Loss,
    /// The coordinator is killed and started again; what it was writing may be stored or not.
    CoordinatorKill,
    /// The coordinator's machine loses power: what was not synced is gone.
    CoordinatorPower,
    /// The coordinator is stopped for a while and then goes on.
    CoordinatorFreeze,
    /// The date jumps while the coordinator is down.
    ClockJump,
    /// A commit fails.
    CommitError,
    /// A commit is stored, and its answer is an error.
    CommitThenError,
    /// A commit takes seconds.
    CommitDelay,
    /// The coordinator's disk is full for a while.
    DiskFull,
    /// An upload breaks off half way.
    HalfUpload,
    /// A bit flips on an object's way to a worker.
    BitFlip,
    /// A bit flips in a stored checkpoint, for good.
    Damage,
    /// The coordinator's machine is lost; another begins with a backup.
    Restore,
    /// A worker is asked to leave, and started again.
    Drain,
    /// A study is paused and resumed.
    Pause,
    /// A study is stopped, and deleted later.
    Stop,
}

impl Fault {
    /// All kinds.
    pub(crate) const ALL: [Self; 25] = [
        Self::WorkerKill,
        Self::WorkerPower,
        Self::WorkerFreeze,
        Self::TrainerKill,
        Self::TrainerHang,
        Self::Reset,
        Self::Partition,
        Self::OneWay,
        Self::Flapping,
        Self::Loss,
        Self::CoordinatorKill,
        Self::CoordinatorPower,
        Self::CoordinatorFreeze,
        Self::ClockJump,
        Self::CommitError,
        Self::CommitThenError,
        Self::CommitDelay,
        Self::DiskFull,
        Self::HalfUpload,
        Self::BitFlip,
        Self::Damage,
        Self::Restore,
        Self::Drain,
        Self::Pause,
        Self::Stop,
    ];

    /// Its name in the summary.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WorkerKill => "worker killed",
            Self::WorkerPower => "worker without power",
            Self::WorkerFreeze => "worker stopped and continued",
            Self::TrainerKill => "trainer killed",
            Self::TrainerHang => "trainer hung",
            Self::Reset => "stream reset",
            Self::Partition => "partition, both ways",
            Self::OneWay => "partition, one way",
            Self::Flapping => "partition, flapping",
            Self::Loss => "packet loss",
            Self::CoordinatorKill => "coordinator killed",
            Self::CoordinatorPower => "coordinator without power",
            Self::CoordinatorFreeze => "coordinator stopped and continued",
            Self::ClockJump => "clock jump",
            Self::CommitError => "commit failed",
            Self::CommitThenError => "commit stored, answer lost",
            Self::CommitDelay => "commit delayed",
            Self::DiskFull => "disk full",
            Self::HalfUpload => "half an upload",
            Self::BitFlip => "bit flipped in transit",
            Self::Damage => "bit flipped on disk",
            Self::Restore => "begun again from a backup",
            Self::Drain => "worker drained",
            Self::Pause => "study paused and resumed",
            Self::Stop => "study stopped",
        }
    }
}

/// How often each kind of fault has struck.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Fault, u64>);

impl Tally {
    /// Counts one.
    pub(crate) fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(fault, count)| *self.0.entry(*fault).or_default() += count);
    }

    /// All faults together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Kinds that have never struck.
    pub fn missing(&self) -> Vec<&'static str> {
        Fault::ALL.iter().filter(|fault| !self.0.contains_key(fault)).map(|fault| fault.as_str()).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(fault, count)| writeln!(f, "{count:>10}  {}", fault.as_str()))
    }
}
