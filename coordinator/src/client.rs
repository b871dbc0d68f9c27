//! A cluster from the outside: through its coordinator, or through its stored state where none runs.
//!
//! [`Target`] says which cluster is meant and finds what answers; [`Cluster`] reads either way; [`Remote`] also
//! changes things. Everything comes out as [`common::view`].

mod target;

mod login;

mod credentials;

mod remote;

mod stored;

mod error;

pub use credentials::Credentials;
pub(crate) use credentials::dial_published;
pub use error::ClientError;
pub use login::{Login, LoginError, Logins};
pub use remote::{OnConflict, Remote, StudyStream};
pub use stored::Stored;
pub use target::Target;

use bytes::Bytes;
use common::{
    checkpoint::Digest,
    history::History,
    ids::TrialNumber,
    metrics::CurvePoint,
    study::StudySpec,
    view::{BestView, DataView, ModelView, StudyView, TrialView, WorkerView},
};

use crate::blobs::ObjectKey;

/// A cluster to read from. Studies are named by name, id, a unique prefix of either, or `@last`.
#[derive(Debug)]
pub enum Cluster {
    /// Through its coordinator.
    Remote(Box<Remote>),
    /// Through its state folder; no coordinator runs.
    Stored(Stored),
}

impl Cluster {
    /// All studies, oldest first.
    pub async fn studies(&self) -> Result<Vec<StudyView>, ClientError> {
        match self {
            Self::Remote(remote) => remote.studies().await,
            Self::Stored(stored) => stored.studies(),
        }
    }

    /// One study and what it was asked to do.
    pub async fn study(&self, study: &str) -> Result<(StudyView, StudySpec), ClientError> {
        match self {
            Self::Remote(remote) => remote.study(study).await,
            Self::Stored(stored) => stored.study(study),
        }
    }

    /// A study's trials by number; those not drawn yet are left out.
    pub async fn trials(&self, study: &str) -> Result<Vec<TrialView>, ClientError> {
        match self {
            Self::Remote(remote) => remote.trials(study).await,
            Self::Stored(stored) => stored.trials(study),
        }
    }

    /// One trial and its learning curve.
    pub async fn trial(
        &self,
        study: &str,
        trial: TrialNumber,
    ) -> Result<(TrialView, Vec<CurvePoint>), ClientError> {
        match self {
            Self::Remote(remote) => remote.trial(study, trial).await,
            Self::Stored(stored) => stored.trial(study, trial),
        }
    }

    /// Everything that was measured in a study.
    pub async fn history(&self, study: &str) -> Result<History, ClientError> {
        match self {
            Self::Remote(remote) => remote.history(study).await,
            Self::Stored(stored) => stored.history(study),
        }
    }

    /// The best trial so far.
    pub async fn best(&self, study: &str) -> Result<BestView, ClientError> {
        match self {
            Self::Remote(remote) => remote.best(study).await,
            Self::Stored(stored) => stored.best(study),
        }
    }

    /// A stored object's bytes, their digest checked.
    pub async fn object(&self, key: &ObjectKey) -> Result<Bytes, ClientError> {
        match self {
            Self::Remote(remote) => remote.object(key).await,
            Self::Stored(stored) => stored.object(key).await,
        }
    }

    /// Data sets of the cluster's store, by name.
    pub async fn data(&self) -> Result<Vec<DataView>, ClientError> {
        match self {
            Self::Remote(remote) => remote.data().await,
            Self::Stored(stored) => stored.data(),
        }
    }

    /// A packed data set's bytes, their digest checked.
    pub async fn data_object(&self, digest: Digest) -> Result<Bytes, ClientError> {
        match self {
            Self::Remote(remote) => remote.data_object(digest).await,
            Self::Stored(stored) => stored.data_object(digest).await,
        }
    }

    /// Weights of the cluster's store, by name.
    pub async fn models(&self) -> Result<Vec<ModelView>, ClientError> {
        match self {
            Self::Remote(remote) => remote.models().await,
            Self::Stored(stored) => stored.models(),
        }
    }

    /// Workers that are connected now; none where no coordinator runs.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, ClientError> {
        match self {
            Self::Remote(remote) => remote.workers().await,
            Self::Stored(_) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests;
