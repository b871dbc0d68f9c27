use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use super::{ClientError, Cluster, Remote, Stored};
use crate::{
    server::{ADDRESS_FILE, Published},
    settings,
};

/// How long a coordinator that was named has to answer.
const NAMED: Duration = Duration::from_secs(10);

/// How long one that may or may not be there has to answer.
const GUESSED: Duration = Duration::from_secs(2);

/// Which cluster is meant.
///
/// In this order: the coordinator that is named; the one whose address is in the state folder; the one at the default
/// address, where no state folder is named; the state folder itself. Only the first must answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The coordinator's address, where one is named.
    pub coordinator: Option<String>,
    /// The state folder, where one is named.
    pub state: Option<PathBuf>,
}

impl Target {
    /// The state folder: the one named, or the user's.
    pub fn folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(settings::default_state)
    }

    /// The coordinator that answers; none where none was named and none is there.
    pub async fn coordinator(&self) -> Result<Option<Remote>, ClientError> {
        if let Some(address) = &self.coordinator {
            return Remote::connect(address, NAMED).await.map(Some);
        }
        let folder = self.folder();
        let default =
            (folder == settings::default_state()).then(|| format!("127.0.0.1:{}", settings::DEFAULT_PORT));
        for address in [noted_address(&folder), default].into_iter().flatten() {
            // Whatever else may be at a guessed address, it is not the coordinator that is looked for.
            if let Ok(remote) = Remote::connect(&address, GUESSED).await {
                return Ok(Some(remote));
            }
        }
        Ok(None)
    }

    /// The cluster, for reading.
    pub async fn cluster(&self) -> Result<Cluster, ClientError> {
        match self.coordinator().await? {
            Some(remote) => Ok(Cluster::Remote(remote)),
            None => Stored::open(&self.folder()).map(Cluster::Stored),
        }
    }
}

/// What a coordinator has written into its state folder.
///
/// A killed coordinator leaves it behind, and by now another one, of another folder, may have its port. So it counts
/// only as long as its process lives.
fn noted_address(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(ADDRESS_FILE)).ok()?;
    let published: Published = serde_json::from_str(&text).ok()?;
    let process = Pid::from_raw(i32::try_from(published.pid).ok()?);
    (kill(process, None) != Err(Errno::ESRCH)).then_some(published.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_while_its_process_lives() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(noted_address(folder.path()), None);
        let put = |text: &str| fs::write(folder.path().join(ADDRESS_FILE), text).unwrap();
        let note = |pid: u32| format!(r#"{{"address":"127.0.0.1:7070","pid":{pid}}}"#);
        put(&note(std::process::id()));
        assert_eq!(noted_address(folder.path()).as_deref(), Some("127.0.0.1:7070"));
        let mut short_lived = std::process::Command::new("true").spawn().unwrap();
        short_lived.wait().unwrap();
        put(&note(short_lived.id()));
        assert_eq!(noted_address(folder.path()), None);
        put(r#"{"addr"#);
        assert_eq!(noted_address(folder.path()), None);
    }

    #[tokio::test]
    async fn a_named_coordinator_must_answer() {
        let target = Target { coordinator: Some("127.0.0.1:1".to_owned()), state: None };
        let error = target.cluster().await.unwrap_err();
        assert!(error.to_string().starts_with("no coordinator answers at 127.0.0.1:1: "), "{error}");
        let target = Target { coordinator: Some("nonsense".to_owned()), state: None };
        assert!(target.cluster().await.unwrap_err().is_bad_input());
    }

    #[tokio::test]
    async fn an_empty_folder_is_a_cluster_without_studies() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("missing");
        let target = Target { coordinator: None, state: Some(state.clone()) };
        let cluster = target.cluster().await.unwrap();
        assert!(cluster.studies().await.unwrap().is_empty());
        assert!(cluster.trials("mlp").await.unwrap_err().is_bad_input());
        assert!(!state.exists());
    }
}
