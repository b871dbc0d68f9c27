//! Stored objects that are on this machine anyway, by digest.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::SystemTime,
};

use common::checkpoint::Digest;
use nix::sys::statvfs::statvfs;

/// Most bytes of checkpoints that are kept.
const OBJECTS: u64 = 1 << 30;

/// Most bytes of data sets and initial weights that are kept: eight of the largest.
const DATA: u64 = 8 << 30;

/// A folder of objects named by their digests.
///
/// A promoted trial often resumes on the worker that trained it; what it wrote then need not travel twice. Files are
/// hard links, so that an object that is dropped here stays readable where it was taken to.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// A cache of checkpoints in a folder that exists.
    pub(crate) fn objects(folder: PathBuf) -> Self {
        Self { folder, limit: OBJECTS }
    }

    /// A cache of data sets and initial weights in a folder that exists.
    pub(crate) fn data(folder: PathBuf) -> Self {
        Self { folder, limit: DATA }
    }

    /// Makes an object appear at `to`, if it is here, can be read and is intact.
    ///
    /// It is read again each time: a disk that forgets, or cannot be read there any more, must cost a download and not a wrong
    /// result, nor one lease after another.
    pub(crate) fn take(&self, digest: Digest, to: &Path) -> bool {
        let here = self.folder.join(digest.to_string());
        if fs::hard_link(&here, to).is_err() {
            return false;
        }
        let intact = fs::read(to).is_ok_and(|bytes| Digest::of(&bytes) == digest);
        if !intact {
            // Another slot may have been faster.
            for name in [here.as_path(), to] {
                drop(fs::remove_file(name));
            }
        }
        intact
    }

    /// Remembers an object that lies at `path` and is never changed there; drops the oldest beyond the limit.
    pub(crate) fn keep(&self, digest: Digest, path: &Path) -> io::Result<()> {
        match fs::hard_link(path, self.folder.join(digest.to_string())) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => self.evict(),
        }
    }

    /// Drops the oldest objects beyond the limit, or beyond half of what the disk has for them: checkpoints must find room too.
    fn evict(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(facts) => files.push((facts.modified()?, facts.len(), entry.path())),
                // Another slot drops objects too.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        let half = free(&self.folder).map_or(u64::MAX, |free| (free + total) / 2);
        let limit = self.limit.min(half);
        for (_, size, path) in files {
            if total <= limit {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => total -= size,
            }
        }
        Ok(())
    }
}

/// Bytes that can still be written to a folder's disk; none where the system does not tell.
fn free(folder: &Path) -> Option<u64> {
    let facts = statvfs(folder).ok()?;
    Some(facts.blocks_available() as u64 * facts.fragment_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> (Digest, PathBuf) {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        (Digest::of(bytes), path)
    }

    /// A cache of ten bytes and a folder for what goes in and out.
    fn bench() -> (Cache, tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let [cache, work] = ["cache", "work"].map(|name| dir.path().join(name));
        fs::create_dir(&cache).unwrap();
        fs::create_dir(&work).unwrap();
        (Cache { folder: cache, limit: 10 }, dir, work)
    }

    #[test]
    fn what_is_kept_is_found_and_outlives_its_first_name() {
        let (cache, _dir, work) = bench();
        let (digest, path) = write(&work, "a", b"12345");
        cache.keep(digest, &path).unwrap();
        cache.keep(digest, &path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(cache.take(digest, &work.join("b")));
        assert_eq!(fs::read(work.join("b")).unwrap(), b"12345");
        assert!(!cache.take(Digest::of(b"other"), &work.join("c")));
    }

    #[test]
    fn a_damaged_object_is_dropped_and_not_used() {
        let (cache, _dir, work) = bench();
        let (digest, path) = write(&work, "a", b"12345");
        cache.keep(digest, &path).unwrap();
        fs::write(path, b"12346").unwrap();
        assert!(!cache.take(digest, &work.join("b")));
        assert!(!work.join("b").exists());
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 0);
    }

    #[test]
    fn an_object_that_cannot_be_read_is_fetched_again() {
        let (cache, _dir, work) = bench();
        let digest = Digest::of(b"12345");
        // Neither a link to a folder can be made, nor a file be read in its place.
        fs::create_dir(cache.folder.join(digest.to_string())).unwrap();
        assert!(!cache.take(digest, &work.join("b")));
        assert!(!work.join("b").exists());
    }

    #[test]
    fn beyond_the_limit_the_oldest_goes() {
        let (cache, _dir, work) = bench();
        let digests: Vec<_> = (0..3u64)
            .map(|i| {
                let (digest, path) = write(&work, &i.to_string(), format!("1234{i}").as_bytes());
                let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(i);
                fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
                cache.keep(digest, &path).unwrap();
                digest
            })
            .collect();
        let found = digests.iter().enumerate().map(|(i, d)| cache.take(*d, &work.join(format!("out{i}"))));
        assert_eq!(found.collect::<Vec<_>>(), [false, true, true]);
    }
}
