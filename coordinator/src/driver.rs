//! The driver: everything between a message and a stored decision.
//!
//! ```text
//!  gRPC handlers ──Input──► Machine ──Group { commit, effects }──► shell: store.commit(), then effects
//!                             │  ▲
//!                      Input  ▼  │ events
//!                          scheduler::Study
//! ```
//!
//! [`Machine`] is synchronous: inputs and the time go in; one [`Commit`](crate::store::Commit) and the [`Effect`]s that may follow it come
//! out. It knows no clock, task, socket or file, so a simulation can run it as it is. The shell ([`run`]) is the thin part
//! that does: it takes what is waiting as one group, commits once, and only then acts and answers.

mod input;

mod roster;

mod data_sets;

mod stored_weights;

mod live_study;

mod differences;

mod machine;

mod effect;

mod shell;

use common::study::StudySpec;
use data_sets::DataSets;
use stored_weights::StoredWeights;

/// Whether a cluster that has stored nothing yet takes a study: one that names data or weights of a cluster's store is
/// refused.
pub(crate) fn check_in_new(spec: &StudySpec) -> Result<(), Refused> {
    let spec = DataSets::default().resolved(spec.clone())?;
    StoredWeights::default().resolved(spec).map(drop)
}

#[cfg(test)]
mod tests;

pub(crate) use data_sets::check_name;
pub(crate) use live_study::Projection;

pub use effect::{Answer, Effect, Grant, Group, Holder, NotTaken, Refused, ToWorker};
pub use input::{Happened, Hello, Input, OnConflict, Report, Request, RequestId, SessionId};
pub use machine::Machine;
pub use shell::{Driver, SessionHandle, run};
