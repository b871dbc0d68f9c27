//! What reaches the supervisor from its tasks, over one channel.

use tokio::sync::mpsc;

use crate::{
    error::WorkerError,
    session::messages::{Incoming, Outgoing, Report},
};

/// Something that a task tells the supervisor.
#[derive(Debug)]
pub(crate) enum Event {
    /// A stream was opened; what is sent here goes to the coordinator.
    Opened(mpsc::Sender<Outgoing>),
    /// The coordinator sent a message.
    Received(Incoming),
    /// The stream broke, or could not be opened.
    Lost,
    /// The coordinator will never take this worker as it is.
    Refused(String),
    /// The coordinator does not know this worker, and nothing that it has will change that.
    Unknown(String),
    /// Another living process is this worker.
    Taken(String),
    /// A slot's trainer is up and idle; told once at first and once after each assignment.
    SlotFree(usize),
    /// A lease has news.
    Reported(Box<Report>),
    /// A slot can take no more leases.
    Broken(WorkerError),
}
