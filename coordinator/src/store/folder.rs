//! The state folder: one coordinator's place on a local disk.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

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
        fs::create_dir_all(path).map_err(unusable)?;
        make_private(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
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

    #[test]
    fn network_file_systems_are_known() {
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(0xEF53), None, "ext4 is local");
    }
}
