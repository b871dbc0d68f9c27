//! What `rung run` has running: a coordinator, its own or one that was there, and local workers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::study::{ModelKind, StudySpec};
use data::Sources;
use trust::Published;

use super::{
    super::{
        embedded::{Embedded, check_in_new},
        failure::Failure,
        text::plural,
    },
    LocalWorkers, local,
};
use crate::client::{Remote, Target};

/// How long local workers have to save the epochs that they have trained.
const GRACE: Duration = Duration::from_secs(60);

/// How long they have to leave where there is nothing to save it with.
const ABANDONED: Duration = Duration::from_secs(3);

/// A coordinator and local workers.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) remote: Remote,
    pub(super) workers: LocalWorkers,
    /// The coordinator, where it is this session's.
    pub(super) own: Option<Embedded>,
    /// The state folder, where its coordinator ends with another command and this one may take its place.
    pub(super) heir_of: Option<PathBuf>,
}

impl Session {
    /// Finds the coordinator or starts one, and starts local workers. What can be wrong is checked before anything
    /// is created.
    pub(super) async fn open(target: &Target, local: Option<u32>, spec: &StudySpec) -> Result<Self, Failure> {
        let found = target.coordinator().await?;
        let count = local.unwrap_or_else(|| u32::from(found.is_none()));
        local::check_count(count)?;
        let executable = match count {
            0 => None,
            _ => {
                local::check_data_folder()?;
                Some(local::executable()?)
            }
        };
        if count > 0 && spec.model != ModelKind::Formula && spec.data.is_known() {
            let name = spec.data.name.clone();
            tokio::task::spawn_blocking(move || data::open(&name, &Sources::from_env())).await??;
        }
        let folder = target.folder();
        let (own, remote) = match found {
            Some(remote) => (None, remote),
            None => {
                check_in_new(&folder, spec)?;
                let (embedded, remote) = Embedded::start(folder.clone()).await?;
                (Some(embedded), remote)
            }
        };
        let ends = |published: Published| published.of_command && published.answers_at(remote.address());
        let inherits = own.is_none() && Published::of_folder(&folder).is_some_and(ends);
        let heir_of = inherits.then(|| folder.clone());
        let mut session = Self { remote, workers: LocalWorkers::default(), own, heir_of };
        if let Some(executable) = executable {
            let started = session.workers.start(&executable, count, session.remote.address(), &folder);
            if let Err(failure) = started {
                session.close().await?;
                return Err(failure);
            }
        }
        Ok(session)
    }

    /// What is running now, in one line.
    pub(super) fn told(&self, state: &Path) -> String {
        let mut text = format!("coordinator on {}", self.remote.address());
        if self.own.is_some() {
            text += &format!(", state in {}", state.display());
        }
        if !self.workers.is_empty() {
            text += &format!(", {}", plural(self.workers.count() as u64, "local worker"));
        }
        text
    }

    /// Leaves a coordinator that has ended: there is nobody whom local workers could hand anything back to.
    pub(super) async fn abandon(mut self) {
        self.workers.drain(ABANDONED).await;
    }

    /// Lets local workers save and hand back what they train, then stops the coordinator, if it is this session's.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        if !self.workers.is_empty() {
            self.workers.drain(GRACE).await;
        }
        match self.own {
            Some(own) => own.stop().await,
            None => Ok(()),
        }
    }
}
