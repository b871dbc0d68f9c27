//! Studies whose objects are stored before they are.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use common::ids::StudyId;

/// Studies that may begin in a moment: nobody can tell yet whether their objects are needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<BTreeSet<StudyId>>>);

/// Keeps a study among those that may begin, until it is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Mark {
    ahead: Ahead,
    study: StudyId,
}

impl Ahead {
    /// Takes a study in.
    pub(super) fn mark(&self, study: StudyId) -> Mark {
        self.lock().insert(study.clone());
        Mark { ahead: self.clone(), study }
    }

    /// Those that are in it now.
    pub(super) fn studies(&self) -> BTreeSet<StudyId> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<StudyId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.ahead.lock().remove(&self.study);
    }
}
