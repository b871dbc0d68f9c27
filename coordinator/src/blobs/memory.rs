//! How much of the objects is in memory at a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use object_store::path::Path as StorePath;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of trials' objects in memory at a time on their way in, and as many on their way out, and the same of data sets and
/// weights: one of the largest each way, whatever comes the other. Usual checkpoints have some megabytes, so hundreds of them travel at a time.
pub(super) const MAX_BYTES: u32 = 1 << 30;

/// A limit on the bytes of objects that are in memory, and those objects that are there to be read.
#[derive(Debug)]
pub(super) struct Memory {
    most: u32,
    free: Arc<Semaphore>,
    held: Mutex<BTreeMap<StorePath, Weak<Held>>>,
}

/// A part of the memory that objects may take. Whoever has one must not wait for another.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

/// An object in its share.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One of several that read the same object.
struct Reading(Arc<Held>);

impl AsRef<[u8]> for Reading {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Share {
    /// Bytes whose share ends with the last slice of them.
    pub(crate) fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: self })
    }
}

impl Memory {
    /// Room for so many bytes, and for a single object that is larger.
    pub(super) fn new(most: u32) -> Self {
        Self { most, free: Arc::new(Semaphore::new(most as usize)), held: Mutex::default() }
    }

    /// Waits until there is room for an object of so many bytes. Whoever came first is first, so that small objects keep no
    /// large one out.
    pub(super) async fn share(&self, bytes: u64) -> Share {
        let wanted = u32::try_from(bytes).map_or(self.most, |bytes| bytes.min(self.most));
        // It fails only where the semaphore is closed, which nobody does.
        Share { _permit: Arc::clone(&self.free).acquire_many_owned(wanted).await.ok() }
    }

    /// An object that somebody is reading now.
    pub(super) fn held(&self, path: &StorePath) -> Option<Bytes> {
        let held = self.objects().get(path)?.upgrade()?;
        Some(Bytes::from_owner(Reading(held)))
    }

    /// Keeps an object that was read, for as long as anybody has a slice of it.
    pub(super) fn keep(&self, path: StorePath, share: Share, bytes: Bytes) -> Bytes {
        let held = Arc::new(Held { bytes, _share: share });
        let mut objects = self.objects();
        objects.retain(|_, held| held.strong_count() > 0);
        objects.insert(path, Arc::downgrade(&held));
        Bytes::from_owner(Reading(held))
    }

    /// Gives a deleted object to nobody more.
    pub(super) fn forget(&self, path: &StorePath) {
        self.objects().remove(path);
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<StorePath, Weak<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn a_share_lasts_as_long_as_the_last_slice_of_its_bytes() {
        let memory = Memory::new(8);
        let bytes = memory.share(5).await.hold(Bytes::from_static(b"bytes"));
        let mut next = pin!(memory.share(4));
        assert!(poll!(&mut next).is_pending());
        let slice = bytes.slice(4..);
        drop(bytes);
        assert!(poll!(&mut next).is_pending());
        assert_eq!(slice, "s");
        drop(slice);
        drop(next.await);
    }

    #[tokio::test]
    async fn an_object_beyond_the_limit_has_all_of_it() {
        let memory = Memory::new(8);
        let large = memory.share(u64::MAX).await;
        let mut small = pin!(memory.share(1));
        assert!(poll!(&mut small).is_pending());
        drop(large);
        small.await;
    }

    #[tokio::test]
    async fn readers_of_one_object_have_it_together() {
        let (memory, path) = (Memory::new(8), StorePath::from("a/b"));
        assert_eq!(memory.held(&path), None);
        let first = memory.keep(path.clone(), memory.share(8).await, Bytes::from_static(b"together"));
        let second = memory.held(&path);
        assert_eq!(second.as_deref(), Some(&b"together"[..]));
        drop(first);
        assert!(poll!(pin!(memory.share(1))).is_pending(), "the second still reads");
        drop(second);
        assert_eq!(memory.held(&path), None);
        memory.share(8).await;
    }
}
