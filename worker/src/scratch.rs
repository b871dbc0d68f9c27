//! The worker's own folder on the local disk.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use common::view::LeaseId;
use nix::fcntl::OFlag;
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
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        // Whose it is tells whose the others must be.
        sweep(base, fs::metadata(folder.path())?.uid())?;
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

/// Removes the folders of this user's dead workers.
fn sweep(base: &Path, user: u32) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // `metadata` does not follow links: what a link in a shared folder points to is not ours to remove. It fails where
        // another worker has just swept or left.
        if !named || !entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user) {
            continue;
        }
        // Without a lock file it was made this moment, and is no dead worker's.
        let Ok(lock) = lock_file(&entry.path().join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => {
                let removed = remove(&entry.path());
                debug!(folder = %entry.path().display(), ?removed, "scratch of a dead worker swept");
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => debug!(%error, "scratch lock unreadable"),
        }
    }
    Ok(())
}

/// Removes a worker's folder, the lock last: a folder that was half removed when its turn was cut short is still swept.
fn remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        // Not through links.
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of it then, an empty folder, goes with the guard.
        if let Err(error) = remove(self.folder.path()) {
            debug!(%error, folder = %self.folder.path().display(), "scratch not removed");
        }
    }
}

/// Opens a lock file, which is a plain file; never waits, whatever it is instead.
fn lock_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

#[cfg(test)]
mod tests {
    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn a_lock_that_is_no_file_holds_up_nobody() {
        let base = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (pipe, link) = (folder("rung-worker-pipe"), folder("rung-worker-link"));
        mkfifo(&pipe.join(LOCK), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        std::os::unix::fs::symlink(pipe.join(LOCK), link.join(LOCK)).unwrap();
        Scratch::open(base.path()).unwrap();
        assert!(pipe.exists() && link.exists());
    }

    #[test]
    fn what_is_another_users_is_not_swept() {
        let base = tempfile::tempdir().unwrap();
        let dead = base.path().join("rung-worker-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), b"").unwrap();
        let user = fs::metadata(&dead).unwrap().uid();
        sweep(base.path(), user + 1).unwrap();
        assert!(dead.exists());
        sweep(base.path(), user).unwrap();
        assert!(!dead.exists());
    }

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
