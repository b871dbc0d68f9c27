use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use nix::{sys::signal::kill, unistd::Pid};
use serde::{Deserialize, Serialize};

use crate::{Pin, Token, read_private, write_private};

/// The file in a state folder that says where its coordinator listens.
pub const ADDRESS_FILE: &str = "coordinator.json";

/// What [`ADDRESS_FILE`] says to programs of the coordinator's own user, who alone can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Where programs of this machine reach it, `HOST:PORT`.
    pub address: String,
    /// Its process.
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
    /// What a coordinator has written into its state folder; none where none has, or its process is gone.
    ///
    /// A killed coordinator leaves the file behind, and by now another one, of another folder, may have its port. So it
    /// counts only as long as its process lives; a process that may not be signalled is another user's, and no coordinator
    /// of this folder.
    pub fn of_folder(state: &Path) -> Option<Self> {
        let published: Self = serde_json::from_slice(&read_private(&state.join(ADDRESS_FILE)).ok()?).ok()?;
        let process = Pid::from_raw(i32::try_from(published.pid).ok()?);
        kill(process, None).is_ok().then_some(published)
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

    fn published(pid: u32) -> Published {
        let token = Token { role: Role::Admin, secret: Secret::draw(), pin: None };
        Published {
            address: "127.0.0.1:7070".to_owned(),
            pid,
            token: Some(token),
            pin: None,
            of_command: false,
        }
    }

    #[test]
    fn a_note_counts_while_its_process_lives() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(ADDRESS_FILE);
        assert_eq!(Published::of_folder(folder.path()), None);
        let living = published(std::process::id());
        living.write(&file).unwrap();
        assert_eq!(Published::of_folder(folder.path()), Some(living));
        let mut short_lived = std::process::Command::new("true").spawn().unwrap();
        short_lived.wait().unwrap();
        published(short_lived.id()).write(&file).unwrap();
        assert_eq!(Published::of_folder(folder.path()), None);
        write_private(&file, b"{\"addr").unwrap();
        assert_eq!(Published::of_folder(folder.path()), None);
    }

    #[test]
    fn a_process_of_another_user_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        published(1).write(&folder.path().join(ADDRESS_FILE)).unwrap();
        // Where the tests are root's, the first process is no other user's.
        let own = kill(Pid::from_raw(1), None).is_ok();
        assert_eq!(Published::of_folder(folder.path()).is_some(), own);
    }

    #[test]
    fn a_file_that_others_can_read_is_not_believed() {
        use std::{fs, os::unix::fs::PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(ADDRESS_FILE);
        published(std::process::id()).write(&file).unwrap();
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
        let here = published(1);
        assert!(here.answers_at("localhost:7070") && here.answers_at("127.0.0.1:7070"));
        assert!(!here.answers_at("127.0.0.1:7071") && !here.answers_at("10.0.0.1:7070"));
    }
}
