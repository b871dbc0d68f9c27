use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use common::trial::TrialState;
use tests::Cluster;
use tokio::time::{sleep, timeout};

use crate::rig::LEASE;

/// How often it is looked at trials.
const LOOK: Duration = Duration::from_millis(100);
/// How long a coordinator may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a dead worker may keep a trial: its lease, and the time that a busy machine takes to notice.
const KEPT: Duration = Duration::from_secs(LEASE as u64 + 3);

/// What is seen of trials while they are trained.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    studies: Vec<String>,
    trials: BTreeMap<(usize, u32), Seen>,
    dead: BTreeMap<String, Instant>,
    /// Since when the coordinator has answered without a break.
    answers: Option<Instant>,
    /// Epochs that were trained again: at most so many, since a curve does not tell who has trained a point last.
    pub(crate) repeated: u64,
    /// What must not have been.
    pub(crate) violations: Vec<String>,
}

/// What was seen of a trial last.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    attempts: u32,
    trained: u32,
}

impl Watch {
    /// Watches these studies and no others from now on.
    pub(crate) fn begin(&mut self, studies: Vec<String>) {
        let dead = std::mem::take(&mut self.dead);
        *self = Self { studies, dead, ..Self::default() };
    }

    /// A worker was killed.
    pub(crate) fn died(&mut self, worker: String, at: Instant) {
        self.dead.insert(worker, at);
    }

    /// The coordinator was stopped or killed: leases live a full term again.
    pub(crate) fn interrupted(&mut self) {
        self.answers = None;
    }

    /// Looks on for a while.
    pub(crate) async fn look(&mut self, cluster: &Cluster, time: Duration) {
        let end = Instant::now() + time;
        loop {
            match timeout(PATIENCE, self.observe(cluster)).await {
                Ok(Ok(())) => _ = self.answers.get_or_insert_with(Instant::now),
                _ => self.answers = None,
            }
            match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => sleep(left.min(LOOK)).await,
                _ => return,
            }
        }
    }

    async fn observe(&mut self, cluster: &Cluster) -> Result<()> {
        for index in 0..self.studies.len() {
            let study = self.studies[index].clone();
            for trial in cluster.trials(&study).await? {
                let seen = self.trials.entry((index, trial.trial.0)).or_default();
                if trial.attempts > seen.attempts {
                    self.repeated += u64::from(seen.trained.saturating_sub(trial.epochs));
                    *seen = Seen { attempts: trial.attempts, trained: trial.epochs };
                }
                if trial.state != TrialState::Running {
                    continue;
                }
                seen.trained = seen.trained.max(cluster.trained(&study, trial.trial.0).await?);
                let holder = trial.worker.map(|worker| worker.to_string()).unwrap_or_default();
                let kept =
                    self.dead.get(&holder).zip(self.answers).map(|(died, since)| died.max(&since).elapsed());
                if kept.is_some_and(|kept| kept > KEPT) {
                    self.violations
                        .push(format!("trial {} of {study} stays with the dead {holder}", trial.trial));
                }
            }
        }
        Ok(())
    }
}
