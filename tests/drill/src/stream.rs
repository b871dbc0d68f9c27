//! Streams between workers and the coordinator: ordered and reliable until they end.

use std::collections::VecDeque;

use coordinator::driver::{NotTaken, SessionId, ToWorker};
use worker::session::messages::Outgoing;

/// The way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// To the coordinator.
    Up,
    /// To the worker.
    Down,
}

/// What comes out of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item<T> {
    /// A message.
    Message(T),
    /// The other end was closed.
    End,
}

/// What the coordinator sends.
pub(crate) type Told = Result<ToWorker, NotTaken>;

/// One direction of a stream.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    /// On their way, the oldest first.
    pub(crate) items: VecDeque<Item<T>>,
    /// When the last of them arrives, in milliseconds.
    pub(crate) last: u64,
    /// How many have arrived while nothing could pass.
    pub(crate) stalled: usize,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), last: 0, stalled: 0 }
    }
}

/// One stream, from both ends.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The worker's place in the cluster.
    pub(crate) worker: usize,
    /// Which of its processes.
    pub(crate) incarnation: u64,
    /// Which of the coordinator's processes.
    pub(crate) life: u64,
    /// The session, once Hello was heard.
    pub(crate) session: Option<SessionId>,
    pub(crate) up: Lane<Outgoing>,
    pub(crate) down: Lane<Told>,
    /// Whether the worker's end is open.
    pub(crate) worker_open: bool,
    /// Whether the coordinator's end is open.
    pub(crate) coordinator_open: bool,
}

impl Stream {
    /// A stream that has just been opened.
    pub(crate) fn new(worker: usize, incarnation: u64, life: u64) -> Self {
        Self {
            worker,
            incarnation,
            life,
            session: None,
            up: Lane::default(),
            down: Lane::default(),
            worker_open: true,
            coordinator_open: true,
        }
    }
}
