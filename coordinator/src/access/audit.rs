//! Who did what: one line of JSON for each act and each refusal, only ever appended.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A file that has grown beyond this makes room for a new one.
const FILE_BYTES: u64 = 8 << 20;
/// How many older files are kept.
const KEPT: usize = 4;
/// A refusal is written once in this time for each caller, address and call: a log must not be a way to fill the disk.
const ONCE_IN: Duration = Duration::from_secs(60);
/// Most refusals that are written in that time: strangers must not push out what others did.
const MOST_REFUSALS: usize = 1000;

/// Something that somebody did, or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// From which address.
    pub from: String,
    /// The call's name.
    pub call: String,
    /// What it was about; empty where there is nothing to name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// `ok`, or the code of the refusal or failure.
    pub outcome: String,
}

/// The log of a state folder.
#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    /// Refusals that were written since `since`.
    refused: BTreeSet<(String, IpAddr, String)>,
    since: Timestamp,
}

impl Audit {
    /// Opens the log of a folder to append to it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("audit.jsonl");
        let (file, bytes) = append_to(&path)?;
        Ok(Self {
            path,
            open: Mutex::new(Open { file, bytes, refused: BTreeSet::new(), since: Timestamp(0) }),
        })
    }

    /// Appends what was done. That it cannot be written is an error in the coordinator's own log.
    pub(crate) fn record(&self, entry: &Entry) {
        if let Err(error) = self.append(&mut self.lock(), entry) {
            tracing::error!(%error, path = %self.path.display(), "the audit log cannot be written");
        }
    }

    /// Appends a refusal, unless the same was written a moment ago.
    pub(crate) fn refused(&self, entry: &Entry, from: IpAddr) {
        let mut open = self.lock();
        if entry.at.since(open.since) >= ONCE_IN {
            open.refused.clear();
            open.since = entry.at;
        }
        let key = (entry.who.clone(), from, entry.call.clone());
        if open.refused.len() >= MOST_REFUSALS || !open.refused.insert(key) {
            return;
        }
        if let Err(error) = self.append(&mut open, entry) {
            tracing::error!(%error, path = %self.path.display(), "the audit log cannot be written");
        }
    }

    /// The newest entries, oldest first. A line that was cut off by a crash is left out.
    pub(crate) fn last(&self, most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = VecDeque::new();
        // Held, so that no file moves while it is read.
        let _open = self.lock();
        for number in (0..=KEPT).rev() {
            let file = match File::open(numbered(&self.path, number)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(file).lines() {
                let Ok(entry) = serde_json::from_str(&line?) else { continue };
                if entries.len() >= most {
                    entries.pop_front();
                }
                entries.push_back(entry);
            }
        }
        entries.truncate(most);
        Ok(entries.into())
    }

    fn append(&self, open: &mut Open, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if open.bytes + line.len() as u64 > FILE_BYTES {
            for number in (0..KEPT).rev() {
                match fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            (open.file, open.bytes) = append_to(&self.path)?;
        }
        open.file.write_all(&line)?;
        open.bytes += line.len() as u64;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// `audit.jsonl`, then `audit.jsonl.1`, older and older.
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 0 { path.to_owned() } else { path.with_extension(format!("jsonl.{number}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, about: &str) -> Entry {
        Entry {
            at: Timestamp(at),
            who: "local".to_owned(),
            from: "127.0.0.1:5".to_owned(),
            call: "StopStudy".to_owned(),
            about: about.to_owned(),
            outcome: "ok".to_owned(),
        }
    }

    #[test]
    fn the_newest_entries_come_back_across_files_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        let long = "x".repeat(3 << 20);
        for at in 0..8 {
            audit.record(&entry(at, &long));
        }
        fs::OpenOptions::new().append(true).open(&audit.path).unwrap().write_all(b"{\"at\":").unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        let ats: Vec<_> = audit.last(3).unwrap().iter().map(|entry| entry.at.0).collect();
        assert_eq!(ats, [5, 6, 7]);
        assert_eq!(audit.last(100).unwrap().len(), 8);
        assert!(fs::read_dir(folder.path()).unwrap().count() > 3);
        for file in fs::read_dir(folder.path()).unwrap() {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(file.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_refusal_that_comes_again_and_again_is_written_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        for at in [60_000, 60_010, 119_000, 121_000, 122_000] {
            audit.refused(&entry(at, ""), [127, 0, 0, 1].into());
        }
        audit.refused(&entry(122_500, ""), [127, 0, 0, 2].into());
        let ats: Vec<_> = audit.last(10).unwrap().iter().map(|entry| entry.at.0).collect();
        assert_eq!(ats, [60_000, 121_000, 122_500]);
    }

    #[test]
    fn strangers_do_not_push_out_what_others_did() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        for n in 0..5000_u32 {
            audit.refused(&entry(70_000, ""), IpAddr::from(n.to_be_bytes()));
        }
        assert_eq!(audit.last(10_000).unwrap().len(), MOST_REFUSALS);
    }
}
