//! The state folder: one coordinator's place on a local disk.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use trust::LOCK_FILE;

/// How often to look whether a folder is free: who asks whether a coordinator runs holds the lock for a moment.
const LOOKS: u32 = 5;

/// How long to wait between two looks.
const MOMENT: Duration = Duration::from_millis(20);

/// A state folder, locked for this process as long as the value lives.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Creates the folder where it is missing, and locks it.
    pub fn lock(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        refuse_network(existing_ancestor(path))?;
        if is_shared(path) {
            return Err(FolderError::Shared(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(unusable)?;
        make_private(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(unusable)?;
        for look in 1.. {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if look < LOOKS => thread::sleep(MOMENT),
                Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.to_owned())),
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Whether a folder that is there could be locked; creates and changes nothing.
    pub fn check(path: &Path) -> Result<(), FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        refuse_network(path)?;
        if is_shared(path) {
            return Err(FolderError::Shared(path.to_owned()));
        }
        tempfile::tempfile_in(path).map_err(unusable)?;
        let lock = match File::open(path.join(LOCK_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            lock => lock.map_err(unusable)?,
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Why a folder cannot hold a coordinator's state.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Locks and syncs of network file systems cannot be relied on.
    #[error(
        "state folder {path} is on a network file system ({kind}), where SQLite loses data; \
         name a folder on a local disk with --state"
    )]
    Network {
        /// The folder.
        path: PathBuf,
        /// The file system's kind.
        kind: &'static str,
    },
    /// Another coordinator has it.
    #[error(
        "state folder {0} is in use by another coordinator; stop that one, or name another folder with --state"
    )]
    InUse(PathBuf),
    /// It has other things in it, for others to see: they would be shut out.
    #[error(
        "{0} holds other files, and others may read it, but a state folder is its owner's alone: name a new folder with --state, \
         or make this one private with `chmod 700`"
    )]
    Shared(PathBuf),
    /// It cannot be made or written.
    #[error("state folder {path} cannot be used: {source}; name another with --state")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn existing_ancestor(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or_else(|| Path::new("."))
}

#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<(), FolderError> {
    let Ok(facts) = nix::sys::statfs::statfs(path) else { return Ok(()) };
    match network_file_system(facts.filesystem_type().0 as u32) {
        Some(kind) => Err(FolderError::Network { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_path: &Path) -> Result<(), FolderError> {
    Ok(())
}

/// The name of a network file system, by the magic number that Linux gives it (statfs(2)).
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn network_file_system(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0xFF53_4D42 => Some("CIFS"),
        0xFE53_4D42 => Some("SMB2"),
        0x517B => Some("SMB"),
        0x5346_414F => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        0x7461_636F => Some("OCFS2"),
        0x0116_1970 => Some("GFS2"),
        0x1983_0326 => Some("BeeGFS"),
        0x0102_1997 => Some("9P"),
        _ => None,
    }
}

/// Whether a folder is no state folder yet, holds something, and is open to others.
#[cfg(unix)]
fn is_shared(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let open = fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0);
    let holds = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    open && !path.join(super::schema::FILE).exists() && holds()
}

#[cfg(not(unix))]
fn is_shared(_path: &Path) -> bool {
    false
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let held = StateFolder::lock(&path).unwrap();
        assert!(matches!(StateFolder::lock(&path), Err(FolderError::InUse(_))));
        drop(held);
        StateFolder::lock(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_of_others_is_left_as_it_is() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("project");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        for refused in [StateFolder::lock(&path).map(drop), StateFolder::check(&path)] {
            assert!(matches!(refused, Err(FolderError::Shared(_))), "{refused:?}");
        }
        assert_eq!((mode(), fs::read_dir(&path).unwrap().count()), (0o755, 1));
        // Nothing is in it, or it is a state folder.
        fs::remove_file(path.join("notes.txt")).unwrap();
        StateFolder::check(&path).unwrap();
        assert_eq!((mode(), fs::read_dir(&path).unwrap().count()), (0o755, 0), "a look changes nothing");
        drop(StateFolder::lock(&path).unwrap());
        assert_eq!(mode(), 0o700);
        fs::write(path.join(super::super::schema::FILE), "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let held = StateFolder::lock(&path).unwrap();
        assert!(matches!(StateFolder::check(&path), Err(FolderError::InUse(_))));
        drop(held);
        StateFolder::check(&path).unwrap();
    }

    #[test]
    fn network_file_systems_are_known() {
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(0xEF53), None, "ext4 is local");
    }
}
