//! The one table from errors to gRPC statuses.

use proto::Malformed;
use tonic::Status;

use crate::{
    access::GrantError,
    blobs::BlobError,
    driver::{NotTaken, Refused},
    resolve::ResolveError,
    store::StoreError,
};

/// The status that a malformed message is answered with.
pub(super) fn malformed(error: &Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

/// The status of a refused request.
pub(super) fn refused(error: &Refused) -> Status {
    let message = error.to_string();
    match error {
        Refused::Conflict(_) | Refused::DataTaken(_) | Refused::ModelTaken(_) => {
            Status::already_exists(message)
        }
        Refused::Data(_) | Refused::Model(_) => Status::invalid_argument(message),
        Refused::NotRunning(_)
        | Refused::NotFinished(_)
        | Refused::DataUsed(..)
        | Refused::ModelUsed(..)
        | Refused::Scheduler(_) => Status::failed_precondition(message),
        Refused::NoWorker(_) => Status::not_found(message),
        Refused::Store(_) => {
            tracing::error!(%error, "request failed");
            Status::internal(
                "the coordinator's store failed, and it is not known whether the change is stored; its log says \
                 why",
            )
        }
        Refused::Degraded(_) | Refused::Stopping => Status::unavailable(message),
    }
}

/// The status of a worker's stream that is not taken. Workers take `ALREADY_EXISTS` for final and come again after
/// `ABORTED`.
pub(super) fn not_taken(error: &NotTaken) -> Status {
    match error {
        NotTaken::InUse(_) => Status::already_exists(error.to_string()),
        NotTaken::Unsure(_) => Status::aborted(error.to_string()),
    }
}

/// The status of access that was not given or taken.
pub(super) fn not_granted(error: &GrantError) -> Status {
    let message = error.to_string();
    match error {
        GrantError::NoAuthority | GrantError::NobodyAsked | GrantError::Own(_) => {
            Status::failed_precondition(message)
        }
        GrantError::Request(_) => Status::invalid_argument(message),
        GrantError::UnknownToken(_) => Status::not_found(message),
        GrantError::Spent(_) | GrantError::Older { .. } => Status::unauthenticated(message),
        // The other one may be gone in a moment: workers come again.
        GrantError::Connected(_) => Status::aborted(message),
        GrantError::NotStored(_) => {
            tracing::error!(%error, "a revocation is not stored");
            Status::internal(message)
        }
        GrantError::Folder(_) => internal(error),
    }
}

/// The status of a study that could not be found.
pub(super) fn unresolved(error: &ResolveError) -> Status {
    Status::not_found(error.to_string())
}

/// The status of a store that failed: the detail stays in the log.
pub(super) fn store(error: &StoreError) -> Status {
    internal(error)
}

/// The status of an object that could not be stored or read.
pub(super) fn blob(error: &BlobError) -> Status {
    match error {
        BlobError::Missing(_) => Status::not_found(error.to_string()),
        BlobError::Damaged(_) => Status::data_loss(error.to_string()),
        BlobError::Full { .. } => Status::resource_exhausted(error.to_string()),
        BlobError::Folder { .. } | BlobError::Store(_) => internal(error),
    }
}

fn internal(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "request failed");
    Status::internal("the coordinator failed; its log says why")
}
