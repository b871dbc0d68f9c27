//! Why objects cannot be stored or read.

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not there.
    #[error("object {0} is not stored")]
    Missing(String),
    /// Its bytes are not those that its name promises.
    #[error("object {0} is damaged: its bytes do not have the digest in its name")]
    Damaged(String),
    /// There is no room for it.
    #[error(
        "the quota of {quota} bytes is used up ({stored} are stored, {wanted} more are wanted): delete studies with \
         `rung study delete`, or serve with a larger --quota"
    )]
    Full {
        /// Bytes that may be stored.
        quota: u64,
        /// Bytes that are.
        stored: u64,
        /// Bytes that were to be.
        wanted: u64,
    },
    /// The folder cannot be made.
    #[error("folder {folder} cannot be made: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk or the service failed.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
}

/// Whether the disk cannot read what it holds (EIO).
pub(super) fn is_unreadable(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.raw_os_error() == Some(nix::libc::EIO)) {
            return true;
        }
        next = error.source();
    }
    false
}
