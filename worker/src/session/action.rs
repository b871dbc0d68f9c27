//! What a session asks of its supervisor.

use std::sync::Arc;

use common::{study::StudySpec, view::LeaseId};

use super::messages::Grant;

/// What the supervisor is to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Give work to a free slot.
    Start { slot: usize, assignment: Assignment },
    /// Finish the step, keep the last epoch, hand the lease back. Means nothing to a lease whose work has ended.
    HandBack(LeaseId),
    /// Stop whatever is done for a lease: it is somebody else's.
    Abandon(LeaseId),
}

/// A grant and the study that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    /// The lease and its work.
    pub(crate) grant: Grant,
    /// The study.
    pub(crate) study: Arc<StudySpec>,
}
