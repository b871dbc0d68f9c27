use std::{path::PathBuf, time::Duration};

use trust::Published;

use super::{ClientError, Cluster, Credentials, Logins, Remote, Stored, dial_published};
use crate::settings;

/// How long a coordinator that was named has to answer.
const NAMED: Duration = Duration::from_secs(10);

/// How long one that may or may not be there has to answer.
const GUESSED: Duration = Duration::from_secs(2);

/// Which cluster is meant.
///
/// In this order: the coordinator that is named, or that `rung login` has made the usual one where no state folder is
/// named; the one whose address is in the state folder; the one at the default address, where no state folder is named;
/// the state folder itself. Only the first must answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The coordinator's address, where one is named.
    pub coordinator: Option<String>,
    /// The state folder, where one is named.
    pub state: Option<PathBuf>,
    /// How to be known by the coordinator.
    pub given: Credentials,
    /// The file of logins; none where logins do not count.
    pub logins: Option<PathBuf>,
}

impl Target {
    /// The state folder: the one named, or the user's.
    pub fn folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(settings::default_state)
    }

    /// The coordinator that answers; none where none was named and none is there.
    pub async fn coordinator(&self) -> Result<Option<Remote>, ClientError> {
        let folder = self.folder();
        let logins = self.logins.as_deref().map(Logins::read).transpose()?.unwrap_or_default();
        let usual = logins.current.as_ref().filter(|_| self.state.is_none());
        if let Some(address) = self.coordinator.as_ref().or(usual) {
            return Remote::connect(&self.given.dial_to(address, &folder, &logins)?, NAMED).await.map(Some);
        }
        let noted = Published::of_folder(&folder).map(|published| dial_published(&published)).transpose()?;
        let default = if folder == settings::default_state() {
            let address = format!("127.0.0.1:{}", settings::DEFAULT_PORT);
            Some(self.given.dial_to(&address, &folder, &logins)?)
        } else {
            None
        };
        for dial in [noted, default].into_iter().flatten() {
            // Whatever else may be at a guessed address, it is not the coordinator that is looked for.
            if let Ok(remote) = Remote::connect(&dial, GUESSED).await {
                return Ok(Some(remote));
            }
        }
        Ok(None)
    }

    /// The cluster, for reading.
    pub async fn cluster(&self) -> Result<Cluster, ClientError> {
        match self.coordinator().await? {
            Some(remote) => Ok(Cluster::Remote(Box::new(remote))),
            None => Stored::open(&self.folder()).map(Cluster::Stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_named_coordinator_must_answer() {
        let target = Target { coordinator: Some("127.0.0.1:1".to_owned()), ..Target::default() };
        let error = target.cluster().await.unwrap_err();
        assert!(error.to_string().starts_with("no coordinator answers at 127.0.0.1:1: "), "{error}");
        let target = Target { coordinator: Some("nonsense".to_owned()), ..Target::default() };
        assert!(target.cluster().await.unwrap_err().is_bad_input());
        let target = Target { coordinator: Some("192.0.2.1:7070".to_owned()), ..Target::default() };
        let error = target.cluster().await.unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains("rung login 192.0.2.1:7070"), "{error}");
    }

    #[tokio::test]
    async fn an_empty_folder_is_a_cluster_without_studies() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("missing");
        let target = Target { state: Some(state.clone()), ..Target::default() };
        let cluster = target.cluster().await.unwrap();
        assert!(cluster.studies().await.unwrap().is_empty());
        assert!(cluster.trials("mlp").await.unwrap_err().is_bad_input());
        assert!(!state.exists());
        std::fs::write(&state, "").unwrap();
        let error = target.cluster().await.unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains("missing is a file: --state"), "{error}");
    }
}
