//! What a session asks of its supervisor.

use std::sync::Arc;

use common::{study::StudySpec, view::LeaseId};

use super::messages::Grant;

/// What the supervisor is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Give work to a free slot.
    Start {
        /// The slot, from 0.
        slot: usize,
        /// The lease and its study.
        assignment: Assignment,
    },
    /// Finish the step, keep the last epoch, hand the lease back. Means nothing to a lease whose work has ended.
    HandBack(LeaseId),
    /// Stop whatever is done for a lease: it is somebody else's.
    Abandon(LeaseId),
    /// Tell people that a lease, which goes back later, is for work that this worker cannot make sense of.
    Complain {
        /// The lease.
        lease: LeaseId,
        /// What is wrong with it.
        reason: String,
    },
}

/// A grant and the study that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The lease and its work.
    pub grant: Grant,
    /// The study.
    pub study: Arc<StudySpec>,
}
