//! Who did what: one line of JSON for each act and each refusal, only ever appended.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    net::IpAddr,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
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
/// A refusal, and what a program does over and over, is written once in this time for each caller, address and call: a log
/// must not be a way to fill the disk.
const ONCE_IN: Duration = Duration::from_secs(60);
/// Most refusals that are written in that time: strangers must not push out what others did.
const MOST_REFUSALS: usize = 1000;
/// Most entries of what programs do over and over that are written in that time: there may be as many workers.
const MOST_REPEATED: usize = 16_384;

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
    /// `ok`, or the code of the refusal or failure; `caller gone` where nobody waited for the answer.
    pub outcome: String,
}

/// The outcome of what was done.
pub(super) const OK: &str = "ok";

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
    /// Whether the last line may be cut off: by a crash, or by a disk that was full.
    cut: bool,
    refused: Recent,
    repeated: Recent,
}

/// What was written a moment ago: who, from where, and what.
#[derive(Debug, Default)]
struct Recent {
    written: BTreeSet<(String, IpAddr, String)>,
    since: Timestamp,
}

impl Recent {
    /// Whether something was not written in this time, and is to be: no more than `most` are.
    fn is_news(&mut self, now: Timestamp, what: (String, IpAddr, String), most: usize) -> bool {
        // A date that was set back begins anew too.
        if now < self.since || now.since(self.since) >= ONCE_IN {
            self.written.clear();
            self.since = now;
        }
        self.written.len() < most && self.written.insert(what)
    }
}

impl Audit {
    /// Opens the log of a folder to append to it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("audit.jsonl");
        let (file, bytes, cut) = append_to(&path)?;
        let open = Open { file, bytes, cut, refused: Recent::default(), repeated: Recent::default() };
        Ok(Self { path, open: Mutex::new(open) })
    }

    /// Appends what was done. That it cannot be written is an error in the coordinator's own log.
    pub(crate) fn record(&self, entry: &Entry) {
        self.write(&mut self.lock(), entry);
    }

    /// Appends a refusal, unless the same was written a moment ago.
    pub(crate) fn refused(&self, entry: &Entry, from: IpAddr) {
        let mut open = self.lock();
        let what = (entry.who.clone(), from, entry.call.clone());
        if open.refused.is_news(entry.at, what, MOST_REFUSALS) {
            self.write(&mut open, entry);
        }
    }

    /// Appends what a program does over and over, unless the same came to the same a moment ago.
    pub(crate) fn repeated(&self, entry: &Entry, from: IpAddr) {
        // What a call is about that did not go well is what its caller says, which may be anything.
        let about = if entry.outcome == OK { entry.about.as_str() } else { "" };
        let what = (entry.who.clone(), from, format!("{} {} {about}", entry.call, entry.outcome));
        let mut open = self.lock();
        if open.repeated.is_news(entry.at, what, MOST_REPEATED) {
            self.write(&mut open, entry);
        }
    }

    /// The newest entries, oldest first. A line that was cut off by a crash, or is just being written, is left
    /// out.
    pub(crate) fn last(&self, most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = VecDeque::new();
        for file in self.files()? {
            for line in BufReader::new(file).split(b'\n') {
                let Ok(entry) = serde_json::from_slice(&line?) else { continue };
                if entries.len() >= most {
                    entries.pop_front();
                }
                entries.push_back(entry);
            }
        }
        entries.truncate(most);
        Ok(entries.into())
    }

    /// Its files, oldest first: opened while none can move, and then read beside whoever writes.
    fn files(&self) -> io::Result<Vec<File>> {
        let _open = self.lock();
        let opened = (0..=KEPT).rev().map(|number| File::open(numbered(&self.path, number)));
        let missing = |file: &io::Result<File>| {
            file.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        opened.filter(|file| !missing(file)).collect()
    }

    fn write(&self, open: &mut Open, entry: &Entry) {
        if let Err(error) = self.append(open, entry) {
            tracing::error!(%error, path = %self.path.display(), "the audit log cannot be written");
        }
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
            (open.file, open.bytes, open.cut) = append_to(&self.path)?;
        }
        if open.cut {
            // What was cut off must not take this one with it.
            line.insert(0, b'\n');
        }
        open.cut = true;
        open.file.write_all(&line)?;
        open.cut = false;
        open.bytes += line.len() as u64;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file to append to, its size, and whether its last line is cut off.
fn append_to(path: &Path) -> io::Result<(File, u64, bool)> {
    let file = File::options().create(true).read(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    let mut last = [b'\n'];
    if bytes > 0 {
        file.read_exact_at(&mut last, bytes - 1)?;
    }
    Ok((file, bytes, last != [b'\n']))
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
    fn a_line_that_was_cut_off_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        audit.record(&entry(1, ""));
        let cut = |bytes: &[u8]| {
            fs::OpenOptions::new().append(true).open(&audit.path).unwrap().write_all(bytes).unwrap();
        };
        // In the middle of a letter, as a full disk may cut it.
        cut(b"{\"at\":2,\"who\":\"\xc3");
        let audit = Audit::open(folder.path()).unwrap();
        audit.record(&entry(3, ""));
        audit.record(&entry(4, ""));
        // A write that failed half way, in this process.
        cut(b"{\"at\":5");
        audit.lock().cut = true;
        audit.record(&entry(6, ""));
        let ats: Vec<_> = audit.last(10).unwrap().iter().map(|entry| entry.at.0).collect();
        assert_eq!(ats, [1, 3, 4, 6]);
        let text = fs::read(&audit.path).unwrap();
        assert!(!text.windows(2).any(|two| two == b"\n\n"), "no line is empty");
    }

    #[test]
    fn what_a_program_does_over_and_over_is_written_once_a_minute_for_each_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        let session = |at, about: &str| Entry { call: "Session".to_owned(), ..entry(at, about) };
        let host = [127, 0, 0, 1].into();
        for at in [60_000, 60_010, 119_000, 121_000] {
            audit.repeated(&session(at, "node-1"), host);
        }
        audit.repeated(&session(121_500, "node-2"), host);
        for (at, about) in [(122_000, "node-1"), (122_001, "anything"), (122_002, "else")] {
            audit.repeated(&Entry { outcome: "permission denied".to_owned(), ..session(at, about) }, host);
        }
        // Neither takes the other's place.
        audit.refused(&session(122_500, "node-1"), host);
        let ats: Vec<_> = audit.last(10).unwrap().iter().map(|entry| entry.at.0).collect();
        assert_eq!(ats, [60_000, 121_000, 121_500, 122_000, 122_500]);
        // A date that was set back does not silence the log.
        audit.repeated(&session(1000, "node-1"), host);
        assert_eq!(audit.last(10).unwrap().len(), 6);
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
