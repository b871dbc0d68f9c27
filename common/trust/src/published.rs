use std::{
    fs::{File, TryLockError},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use crate::{Pin, Token, read_private, write_private};

/// The file in a state folder that says where its coordinator listens.
pub const ADDRESS_FILE: &str = "coordinator.json";

/// The file in a state folder that its coordinator keeps locked.
pub const LOCK_FILE: &str = "lock";

/// What [`ADDRESS_FILE`] says to programs of the coordinator's own user, who alone can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Where programs of this machine reach it, `HOST:PORT`.
    pub address: String,
    /// Its process, for people who look for it.
    pub pid: u32,
    /// Lets in for everything; kept over restarts, so that who was let in before one goes on. None where the coordinator asks nobody who they are.
    #[serde(default, with = "crate::revealed", skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The authority by which its TLS is known; none where it speaks plainly on this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// Whether it ends with the command that started it: another command on the same folder may then take its place.
    #[serde(default)]
    pub of_command: bool,
}

impl Published {
    /// What a coordinator has written into its state folder; none where none has, or it is gone.
    ///
    /// A killed coordinator leaves the file behind, and by now another program, of another user perhaps, may have its port,
    /// and yet another one its process's number. So it counts only as long as the folder is locked, which ends with the
    /// process however that ends.
    pub fn of_folder(state: &Path) -> Option<Self> {
        let published: Self = serde_json::from_slice(&read_private(&state.join(ADDRESS_FILE)).ok()?).ok()?;
        is_locked(&state.join(LOCK_FILE)).then_some(published)
    }

    /// Writes it for the owner of a file alone.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        write_private(path, &line)
    }

    /// Whether this is what answers at an address of this machine.
    pub fn answers_at(&self, address: &str) -> bool {
        let local = |text: &str| {
            let text = text.replacen("localhost:", "127.0.0.1:", 1);
            text.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback())
        };
        address == self.address || local(address).is_some_and(|asked| local(&self.address) == Some(asked))
    }
}

/// Whether a coordinator has locked a file.
fn is_locked(lock: &Path) -> bool {
    // Not by itself alone, for the moment that it takes: several may ask at a time.
    File::open(lock).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether an address, `HOST:PORT`, is this machine's own: packets to it never leave the machine.
pub(crate) fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The state folder where none is named: `rung` in the user's data folder.
pub fn default_state() -> PathBuf {
    match etcetera::base_strategy::choose_base_strategy() {
        Ok(folders) => folders.data_dir().join("rung"),
        // Without a home folder there is no better place than here.
        Err(_) => PathBuf::from("rung-state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Secret};

    fn published() -> Published {
        let token = Token { role: Role::Admin, secret: Secret::draw(), pin: None };
        Published {
            address: "127.0.0.1:7070".to_owned(),
            pid: std::process::id(),
            token: Some(token),
            pin: None,
            of_command: false,
        }
    }

    /// A folder's lock, as its coordinator has it.
    fn locked(folder: &Path) -> File {
        let lock = File::create(folder.join(LOCK_FILE)).unwrap();
        lock.try_lock().unwrap();
        lock
    }

    #[test]
    fn a_note_counts_while_its_folder_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(ADDRESS_FILE);
        assert_eq!(Published::of_folder(folder.path()), None);
        let note = published();
        note.write(&file).unwrap();
        assert_eq!(Published::of_folder(folder.path()), None, "nobody has locked it");
        let lock = locked(folder.path());
        assert_eq!(Published::of_folder(folder.path()), Some(note));
        drop(lock);
        assert_eq!(Published::of_folder(folder.path()), None);
        let _lock = locked(folder.path());
        write_private(&file, b"{\"addr").unwrap();
        assert_eq!(Published::of_folder(folder.path()), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_not_believed() {
        use std::{fs, os::unix::fs::PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(ADDRESS_FILE);
        let _lock = locked(folder.path());
        published().write(&file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Published::of_folder(folder.path()), None);
    }

    #[test]
    fn the_machines_own_addresses_are_known() {
        for (address, own) in [
            ("127.0.0.1:7070", true),
            ("localhost:7070", true),
            ("[::1]:7070", true),
            ("127.8.0.1:1", true),
            ("10.0.0.1:7070", false),
            ("localhost.evil:7070", false),
            ("node:7070", false),
        ] {
            assert_eq!(is_loopback(address), own, "{address}");
        }
        let here = published();
        assert!(here.answers_at("localhost:7070") && here.answers_at("127.0.0.1:7070"));
        assert!(!here.answers_at("127.0.0.1:7071") && !here.answers_at("10.0.0.1:7070"));
    }
}
