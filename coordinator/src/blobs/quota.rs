//! How much may be stored, and how much is.

use std::sync::atomic::{AtomicU64, Ordering};

use super::BlobError;

/// A limit in bytes and what counts against it. Room is taken before anything is written, so that uploads at the same time
/// cannot exceed it together.
#[derive(Debug)]
pub(super) struct Quota {
    most: Option<u64>,
    stored: AtomicU64,
}

impl Quota {
    /// No limit, and nothing is counted.
    pub(super) fn none() -> Self {
        Self { most: None, stored: AtomicU64::new(0) }
    }

    /// A limit, with so much stored.
    pub(super) fn new(most: u64, stored: u64) -> Self {
        Self { most: Some(most), stored: AtomicU64::new(stored) }
    }

    /// Whether there is a limit.
    pub(super) fn is_set(&self) -> bool {
        self.most.is_some()
    }

    /// Whether there is room for so many bytes now.
    pub(super) fn has_room(&self, bytes: u64) -> Result<(), BlobError> {
        let stored = self.stored.load(Ordering::SeqCst);
        match self.most {
            Some(quota) if stored.saturating_add(bytes) > quota => {
                Err(BlobError::Full { quota, stored, wanted: bytes })
            }
            _ => Ok(()),
        }
    }

    /// Takes room for an object that replaces one of `before` bytes.
    pub(super) fn reserve(&self, bytes: u64, before: u64) -> Result<Room<'_>, BlobError> {
        let Some(quota) = self.most else { return Ok(Room { quota: self, bytes: 0 }) };
        let wanted = bytes.saturating_sub(before);
        let take = |stored: u64| stored.checked_add(wanted).filter(|sum| *sum <= quota);
        match self.stored.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Ok(Room { quota: self, bytes: wanted }),
            Err(stored) => Err(BlobError::Full { quota, stored, wanted }),
        }
    }

    /// So many bytes are stored no more.
    pub(super) fn freed(&self, bytes: u64) {
        let less = |stored: u64| Some(stored.saturating_sub(bytes));
        // It always goes: there is no number that it refuses.
        let _ = self.stored.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }
}

/// Room that was taken; given back unless something was stored in it.
#[derive(Debug)]
pub(super) struct Room<'a> {
    quota: &'a Quota,
    bytes: u64,
}

impl Room<'_> {
    /// The object is stored.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.quota.freed(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_before_and_given_back_where_nothing_was_stored() {
        let quota = Quota::new(10, 4);
        drop(quota.reserve(6, 0).unwrap());
        quota.reserve(6, 0).unwrap().keep();
        let Err(BlobError::Full { quota: 10, stored: 10, wanted: 1 }) = quota.reserve(1, 0) else { panic!() };
        quota.reserve(6, 6).unwrap().keep();
        quota.freed(3);
        assert!(quota.has_room(3).is_ok() && quota.has_room(4).is_err());
        assert!(Quota::none().reserve(u64::MAX, 0).is_ok());
    }
}
