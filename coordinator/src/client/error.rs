use std::{error::Error as _, path::PathBuf};

use common::{
    ids::TrialNumber,
    view::{StudyPhase, StudyView},
};
use tonic::{Code, Status};
use trust::{InvalidToken, TlsError};

use super::LoginError;
use crate::{blobs::BlobError, resolve::ResolveError, store::StoreError};

/// Why a cluster did not do or tell what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The text is no address.
    #[error("`{0}` is no address: HOST:PORT is expected")]
    Address(String),
    /// Nothing there speaks Rung's protocol, or not in time.
    #[error("no coordinator answers at {address}: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// What happened instead.
        reason: String,
    },
    /// It is on another machine, and nothing says how to know it and to be known by it.
    #[error(
        "there is no login for {0}: `rung login {0} --token TOKEN` with a token that an admin makes there by `rung token \
         create --role operator`"
    )]
    Stranger(String),
    /// It is on another machine, and a token alone does not say how to know it.
    #[error(
        "the token does not say by what {0} is known, as it has certificates of its owner's authority: add --tls-ca FILE with \
         those of that authority"
    )]
    NoAuthority(String),
    /// What was given as a token is none.
    #[error("the token cannot be used: {0}")]
    Token(#[from] InvalidToken),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of logins cannot be used.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The request makes no sense to the cluster: an unknown study, a state in which it is not allowed.
    #[error("{0}")]
    Refused(String),
    /// The coordinator could not do it.
    #[error("the coordinator at {address} failed: {reason}")]
    Failed {
        /// Where.
        address: String,
        /// What it said.
        reason: String,
    },
    /// A study is named that is not there, or not alone.
    #[error(transparent)]
    Unknown(#[from] ResolveError),
    /// A trial is named that is not there.
    #[error("study {study} has no trial {trial} yet; `rung trial list {study}` shows those it has")]
    UnknownTrial {
        /// The study.
        study: String,
        /// The trial.
        trial: TrialNumber,
    },
    /// There is no best trial before the first result.
    #[error("study {0} has no result yet; `rung study watch {0}` shows how it gets on")]
    NoResult(String),
    /// There will never be one.
    #[error(
        "study {0} has finished without a result; `rung trial list {0}` shows its trials, and why those that failed did"
    )]
    Fruitless(String),
    /// A file is named as the state folder.
    #[error("{0} is a file: --state names the folder of a cluster's state")]
    NoFolder(PathBuf),
    /// The stored state cannot be read.
    #[error("state folder {folder}: {source}")]
    Store {
        /// Where it is.
        folder: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// A stored object cannot be read, or is not what was asked for.
    #[error(transparent)]
    Object(#[from] BlobError),
}

impl ClientError {
    /// That a study has no best trial: not yet, or never.
    pub(super) fn without_best(study: &StudyView) -> Self {
        let name = study.name.to_string();
        if study.phase == StudyPhase::Finished { Self::Fruitless(name) } else { Self::NoResult(name) }
    }

    /// What a coordinator's answer means.
    pub(super) fn from_status(address: &str, status: &Status) -> Self {
        let (address, reason) = (address.to_owned(), status.message().to_owned());
        // A status that was not sent but made here, because the connection broke, has a source.
        if status.source().is_some() {
            return Self::Unreachable { address, reason: "the connection broke".to_owned() };
        }
        match status.code() {
            Code::Unauthenticated
            | Code::PermissionDenied
            | Code::NotFound
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::OutOfRange => Self::Refused(reason),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                Self::Unreachable { address, reason }
            }
            Code::Unimplemented => Self::Unreachable {
                address,
                reason: "what answers there is not Rung, or an older one".to_owned(),
            },
            _ => Self::Failed { address, reason },
        }
    }

    /// Whether asking again later, unchanged, may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the request was wrong, and not the cluster.
    pub fn is_bad_input(&self) -> bool {
        let named = matches!(self, Self::Refused(_) | Self::Unknown(_) | Self::UnknownTrial { .. });
        let early = matches!(self, Self::NoResult(_) | Self::Fruitless(_));
        let unknown = matches!(
            self,
            Self::Stranger(_) | Self::NoAuthority(_) | Self::Token(_) | Self::Tls(_) | Self::Login(_)
        );
        named || early || unknown || matches!(self, Self::Address(_) | Self::NoFolder(_))
    }
}
