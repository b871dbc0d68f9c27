//! What is kept: the event log of every study, and the rows that readers see.
//!
//! A [`Store`] is one writer. It takes whole [`Commit`]s, each in one transaction that is on disk when
//! [`Store::commit`] returns. Readers ([`Reader`]) see snapshots and never wait for it. SQL stops here.

mod folder;

mod schema;

mod data;

mod models;

mod sqlite;

mod reader;

mod history;

#[cfg(test)]
mod tests;

pub use folder::{FolderError, StateFolder};
pub use reader::Reader;
pub use sqlite::SqliteStore;

use common::{
    checkpoint::Digest,
    ids::{DataName, ModelName, StudyId, StudyName, TrialNumber},
    metrics::CurvePoint,
    study::StudySpec,
    view::{DataView, ModelView, StudyView, TrialView},
};
use scheduler::Event;

/// Facts that become true together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// Events with their place in their study's log, counted from 0.
    pub events: Vec<(StudyId, u64, Event)>,
    /// Studies that began, with what they were asked to do.
    pub created: Vec<(StudyId, StudySpec)>,
    /// Studies as they are now.
    pub studies: Vec<StudyView>,
    /// Trials as they are now.
    pub trials: Vec<(StudyId, TrialView)>,
    /// New points of learning curves; a point that is there already is replaced.
    pub curves: Vec<(StudyId, TrialNumber, CurvePoint)>,
    /// Studies that are gone, log and rows.
    pub deleted: Vec<StudyId>,
    /// Data sets that were added; their objects are stored.
    pub data: Vec<DataView>,
    /// Data sets that are gone.
    pub data_removed: Vec<DataName>,
    /// Weights that were added; their objects are stored.
    pub models: Vec<ModelView>,
    /// Weights that are gone.
    pub models_removed: Vec<ModelName>,
}

impl Commit {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        let data = self.data.is_empty() && self.data_removed.is_empty();
        let models = self.models.is_empty() && self.models_removed.is_empty();
        self.events.is_empty() && self.curves.is_empty() && self.deleted.is_empty() && data && models
    }
}

/// A study as a starting coordinator finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredStudy {
    /// Its identity.
    pub id: StudyId,
    /// Its name.
    pub name: StudyName,
    /// Its log; left empty for a finished study, which takes no more inputs.
    pub log: Vec<Event>,
}

/// The data sets and weights of a cluster as a starting coordinator finds them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredData {
    /// Data sets, by name.
    pub sets: Vec<DataView>,
    /// The data that studies recorded, finished ones included.
    pub uses: Vec<(StudyId, Digest)>,
    /// Weights, by name.
    pub models: Vec<ModelView>,
}

/// Where commits go.
pub trait Store: Send {
    /// Makes a commit durable. When it fails, nothing of the commit is visible.
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// All studies in the order in which they were created.
    fn load(&mut self) -> Result<Vec<StoredStudy>, StoreError>;

    /// The log of one study, in order.
    fn log(&mut self, study: &StudyId) -> Result<Vec<Event>, StoreError>;

    /// The data sets, which studies use them, and the weights.
    fn data(&mut self) -> Result<StoredData, StoreError>;
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or the disk failed.
    #[error("store: {0}")]
    Database(#[from] rusqlite::Error),
    /// What is stored cannot be read: another release's, or damaged.
    #[error("store: {what} is unreadable: {reason}")]
    Unreadable {
        /// Which row.
        what: String,
        /// Why.
        reason: String,
    },
    /// The store was written by a newer release.
    #[error("store: schema {found} is newer than this release knows ({known}); use the newer rung")]
    Newer {
        /// The schema's version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// There is no store in the folder.
    #[error("no store in {0}: nothing has been run with this state folder yet")]
    Missing(std::path::PathBuf),
}
