use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};
use trust::{Token, read_private, write_private};

/// What `rung login` keeps for later commands: in a file that its user alone can read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Logins {
    /// The coordinator that is meant where none is named.
    pub current: Option<String>,
    /// By address.
    pub logins: BTreeMap<String, Login>,
}

/// How to be known by one coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The token; it carries the authority's pin.
    #[serde(with = "trust::revealed")]
    pub token: Option<Token>,
    /// Certificates of one's own authority, where the coordinator's is of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<PathBuf>,
}

impl Logins {
    /// The user's file: `rung/logins.json` in the folder of configuration; none for a user without a home.
    pub fn usual_place() -> Option<PathBuf> {
        let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
        Some(folders.config_dir().join("rung").join("logins.json"))
    }

    /// Reads a file; no logins where there is none.
    pub fn read(path: &Path) -> Result<Self, LoginError> {
        let unusable = |reason: String| LoginError { path: path.to_owned(), reason };
        match read_private(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// Writes the file for its user alone.
    pub fn write(&self, path: &Path) -> Result<(), LoginError> {
        let unusable = |reason: String| LoginError { path: path.to_owned(), reason };
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| unusable(error.to_string()))?;
        write_private(path, &bytes).map_err(|error| unusable(error.to_string()))
    }
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file of logins {} cannot be used: {reason}", .path.display())]
pub struct LoginError {
    path: PathBuf,
    reason: String,
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use trust::{Role, Secret};

    use super::*;

    #[test]
    fn logins_are_read_back_by_their_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rung/logins.json");
        assert_eq!(Logins::read(&path).unwrap(), Logins::default());
        let token = Token { role: Role::Viewer, secret: Secret::draw(), pin: None };
        let login = Login { token: Some(token), tls_ca: None };
        let address = "host:7070".to_owned();
        let logins = Logins { current: Some(address.clone()), logins: [(address, login)].into() };
        logins.write(&path).unwrap();
        assert_eq!(Logins::read(&path).unwrap(), logins);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Logins::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
