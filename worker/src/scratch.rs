//! The worker's own folder on the local disk.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use common::view::LeaseId;
use tempfile::TempDir;
use tracing::debug;

/// What all workers' folders are called, before a random suffix.
const PREFIX: &str = "rung-worker-";
/// The file that a living worker holds locked.
const LOCK: &str = "lock";
/// What it is called until it is.
const UNLOCKED: &str = "lock.new";

/// A folder that nobody else uses, gone when the worker is.
///
/// A killed worker leaves its folder behind; the next worker beside it sweeps it away. A lock tells the living from
/// the dead, so no id and no clock has to be trusted.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    // Unlocked by the system when the process ends, in whatever way.
    _lock: File,
}

impl Scratch {
    /// Makes a folder within `base`, which is made too where it is missing.
    pub(crate) fn open(base: &Path) -> io::Result<Self> {
        fs::create_dir_all(base)?;
        sweep(base)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        if folder.path().to_str().is_none() {
            return Err(io::Error::other("the folder's name is not valid UTF-8"));
        }
        let unlocked = folder.path().join(UNLOCKED);
        let lock = File::create_new(&unlocked)?;
        lock.lock()?;
        // Nobody may come between: a lock file that can be locked is a dead worker's.
        fs::rename(unlocked, folder.path().join(LOCK))?;
        for cache in ["objects", "data"] {
            fs::create_dir(folder.path().join(cache))?;
        }
        Ok(Self { folder, _lock: lock })
    }

    /// Where stored objects are kept for later.
    pub(crate) fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// Where data sets are kept for later.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes the folder of a lease.
    pub(crate) fn lease(&self, lease: &LeaseId) -> io::Result<PathBuf> {
        let folder = self.folder.path().join(format!("{}-{}-{}", lease.study, lease.trial, lease.attempt));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Removes the folders of dead workers.
fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // `file_type` does not follow links: what a link in a shared folder points to is not ours to remove. It fails where
        // another worker has just swept or left.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without a lock file it is another user's, or was made this moment: either way not a dead worker's.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => {
                let removed = fs::remove_dir_all(entry.path());
                debug!(folder = %entry.path().display(), ?removed, "scratch of a dead worker swept");
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => debug!(%error, "scratch lock unreadable"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_swept_and_the_living_are_not() {
        let base = tempfile::tempdir().unwrap();
        let living = Scratch::open(base.path()).unwrap();
        let dead = base.path().join("rung-worker-dead");
        let other = base.path().join("somebody-elses");
        for folder in [&dead, &other] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(LOCK), b"").unwrap();
        }
        let second = Scratch::open(base.path()).unwrap();
        assert!(!dead.exists());
        assert!(other.exists());
        assert!(living.objects().exists() && second.objects().exists());
        let gone = living.objects();
        drop(living);
        assert!(!gone.exists());
    }

    #[test]
    fn workers_that_start_and_leave_at_once_do_not_sweep_each_other() {
        let base = tempfile::tempdir().unwrap();
        let come_and_go = || (0..500).try_for_each(|_| Scratch::open(base.path()).map(drop));
        std::thread::scope(|scope| {
            let workers = [(); 8].map(|()| scope.spawn(come_and_go));
            workers.into_iter().for_each(|worker| worker.join().unwrap().unwrap());
        });
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
