//! What is kept: the event log of every study, and the rows that readers see.
//!
//! A [`Store`] is one writer. It takes whole [`Commit`]s, each in one transaction that is on disk when
//! [`Store::commit`] returns. Readers ([`Reader`]) see snapshots and never wait for it. SQL stops here.

mod folder;

mod schema;

mod upgrade;

mod seal;

mod log;

mod studies;

mod curves;

mod data;

mod models;

mod attempts;

mod sqlite;

mod reader;

mod history;

mod inspect;

mod copy;

mod restored;

#[cfg(test)]
mod tests;

pub use copy::copy;
pub use folder::{FolderError, StateFolder};
pub use inspect::StoredRows;
pub use reader::Reader;
pub use restored::restored;
pub use sqlite::SqliteStore;

use common::{
    checkpoint::Digest,
    ids::{Attempt, DataName, ModelName, StudyId, StudyName, TrialNumber},
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
    /// Makes a commit durable, all of it or nothing. Where it fails, what is stored is known only once the store was read again.
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// All studies in the order in which they were created.
    fn load(&mut self) -> Result<Vec<StoredStudy>, StoreError>;

    /// The log of one study, in order.
    fn log(&mut self, study: &StudyId) -> Result<Vec<Event>, StoreError>;

    /// The data sets, which studies use them, and the weights.
    fn data(&mut self) -> Result<StoredData, StoreError>;

    /// Begins anew after a failed commit, and proves that commits can go well again; fails where they still cannot.
    ///
    /// The failed commit may turn out to be stored: whoever goes on reads the logs first.
    fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or the disk failed.
    #[error("store: {0}")]
    Database(#[from] rusqlite::Error),
    /// A row is not what was written. It is never used.
    #[error(
        "store: {0} is damaged; `rung fsck` names all that is, and a backup can take its place (docs/reliability.md)"
    )]
    Damaged(String),
    /// Another coordinator has opened the store since.
    #[error(
        "store: another coordinator has taken it over (it is number {current}, this one was {own}); nothing was written"
    )]
    Superseded {
        /// This writer's generation.
        own: i64,
        /// The last one.
        current: i64,
    },
    /// An event names an attempt that is not the trial's: a fault of ours, stopped before it was stored.
    #[error("store: attempt {attempt} of trial {trial} of study {study} is refused: {why}")]
    Fenced {
        /// The study.
        study: StudyId,
        /// The trial.
        trial: TrialNumber,
        /// The attempt that was named.
        attempt: Attempt,
        /// Why it is not the trial's.
        why: &'static str,
    },
    /// A backup was opened and not taken up.
    #[error("store: it is a backup that no coordinator has taken up")]
    NotTakenUp,
    /// The file could not be opened again after a failure.
    #[error("store: the database is closed after a failure and cannot be opened yet")]
    Closed,
    /// Readers keep the write-ahead log from beginning anew.
    #[error("store: readers are in the way of a new write-ahead log")]
    Busy,
    /// The library is one that can lose commits.
    #[error("store: SQLite {found} can lose commits; {oldest} or later is needed")]
    OldSqlite {
        /// The version found.
        found: String,
        /// The oldest one that will do.
        oldest: &'static str,
    },
    /// The file system cannot hold a write-ahead log.
    #[error(
        "store: no write-ahead log on this file system (journal mode {0}); name a folder on a local disk with --state"
    )]
    NoWriteAheadLog(String),
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
