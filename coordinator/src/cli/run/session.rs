//! What `rung run` has running: a coordinator, its own or one that was there, and local workers.

use std::time::Duration;

use common::study::{ModelKind, StudySpec};
use data::Sources;

use super::{
    super::{embedded::Embedded, failure::Failure, output, text::plural},
    LocalWorkers, local,
};
use crate::client::{Remote, Target};

/// How long local workers have to save what they train.
const GRACE: Duration = Duration::from_secs(60);

/// A coordinator and local workers.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) remote: Remote,
    pub(super) workers: LocalWorkers,
    /// The coordinator, where it is this session's.
    pub(super) own: Option<Embedded>,
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
            _ => Some(local::executable()?),
        };
        if count > 0 && spec.model != ModelKind::Formula && spec.data.is_known() {
            let name = spec.data.name.clone();
            tokio::task::spawn_blocking(move || data::open(&name, &Sources::from_env())).await??;
        }
        let folder = target.folder();
        let (own, remote) = match found {
            Some(remote) => (None, remote),
            None => {
                let (embedded, remote) = Embedded::start(folder.clone()).await?;
                (Some(embedded), remote)
            }
        };
        let mut session = Self { remote, workers: LocalWorkers::default(), own };
        if let Some(executable) = executable {
            let started = session.workers.start(&executable, count, session.remote.address(), &folder);
            if let Err(failure) = started {
                session.close().await?;
                return Err(failure);
            }
        }
        let address = session.remote.address();
        let mut text = format!("coordinator on {address}");
        if session.own.is_some() {
            text += &format!(", state in {}", folder.display());
        }
        if count > 0 {
            text += &format!(", {}", plural(count, "local worker"));
        }
        output::message(&text);
        Ok(session)
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
