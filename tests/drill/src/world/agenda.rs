//! What is going to happen, in order of time; at equal times in order of their making.

use std::collections::BTreeMap;

use crate::{calls::Reply, fault::Fault, stream::Way};

/// One end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Worker,
    Coordinator,
}

/// Whose process an event needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    Coordinator,
    Worker(usize),
    Nobody,
}

/// Something that happens. Numbers of lives, incarnations, attempts and tokens tell when it comes too late.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The coordinator's process starts, or goes on.
    CoordinatorStart,
    CoordinatorThaw,
    /// The driver takes what is waiting; its commit has ended.
    Turn(u64),
    Committed(u64),
    /// The oldest item of a stream arrives.
    Arrive(u64, Way),
    /// The transport looks after a silent stream.
    Watch {
        stream: u64,
        end: Place,
        strikes: u32,
    },
    /// A worker opens a stream; it is open; Welcome should have come.
    Connect(usize, u64),
    Opened(u64),
    Unanswered(u64),
    /// An upload or download reaches the coordinator; its bytes are there; its answer comes; it is tried again.
    Call(u64, u32),
    Store(u64, u32),
    Reply(u64, u32, Reply),
    CallAgain(u64, u32),
    /// A worker's process starts, or goes on; its session's deadline; a slot's trainer is done with something.
    WorkerStart(usize),
    WorkerThaw(usize),
    Timer(usize, u64, u64),
    Step(usize, u64, usize, u64),
    /// A client's plans, and its messages.
    Submit(usize),
    Resume(usize),
    Delete(usize),
    Ask(usize),
    /// Faults, and their ends.
    Strike(Fault),
    Mend(usize, Way),
    Flap(usize, u32),
    LossEnds,
    SpaceReturns,
    Calm,
    /// Somebody looks whether all is well.
    Look,
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    now: u64,
    made: u64,
    events: BTreeMap<(u64, u64), Event>,
}

impl Agenda {
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(crate) fn later(&mut self, wait: u64, event: Event) {
        self.made += 1;
        self.events.insert((self.now + wait, self.made), event);
    }

    /// The next event; time jumps to it.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}
