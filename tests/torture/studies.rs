//! What is trained in every round, and what must come out.

use anyhow::Result;
use tests::{Cluster, Row};

/// The studies of a round. Together they train for about seven seconds on three workers.
const STUDIES: [(&str, &str); 3] = [("rungs", RUNGS), ("barrier", BARRIER), ("broken", BROKEN)];

const RUNGS: &str = "
model: formula
space:
  width: {int: [1, 64]}
  lr: {float: [0.0001, 0.1], log: true}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
train: {epoch_seconds: 0.12}
seed: 7
";

const BARRIER: &str = "
model: formula
space:
  width: {int: [1, 64]}
  dropout: {choice: [0.0, 0.2, 0.5]}
scheduler: {kind: hyperband, max_epochs: 8, eta: 2, mode: barrier}
train: {epoch_seconds: 0.06}
seed: 3
";

/// Trainers that fail by themselves, each in its way.
const BROKEN: &str = "
model: formula
scheduler:
  kind: fixed
  epochs: 4
  trials:
    - {hparams: {width: 1}}
    - {hparams: {width: 2, fail: nan, fail_epoch: 2}}
    - {hparams: {width: 3, fail: oom, fail_epoch: 3}}
    - {hparams: {width: 4, fail: crash, fail_epoch: 2}}
    - {hparams: {width: 5, fail: hang, fail_epoch: 1}}
    - {hparams: {width: 6, fail: error, fail_epoch: 4}}
    - {hparams: {width: 7}}
train: {epoch_seconds: 0.05}
";

/// Flags of every worker: a trainer that hangs is noticed soon.
pub(crate) const WORKER: &[&str] = &["--hang-timeout", "1.5"];

/// A study that no fault may change.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Its name, up to the round.
    pub(crate) name: &'static str,
    /// The rest of its file.
    file: &'static str,
    /// Its result.
    pub(crate) table: Vec<Row>,
    /// Leases that it takes.
    pub(crate) attempts: u32,
}

impl Expected {
    /// Its name in a round.
    pub(crate) fn named(&self, round: u32) -> String {
        format!("{}-{round}", self.name)
    }

    /// Its file in a round.
    pub(crate) fn yaml(&self, round: u32) -> String {
        format!("name: {}{}", self.named(round), self.file)
    }
}

/// The studies' results where nothing happens to them.
pub(crate) async fn undisturbed() -> Result<Vec<Expected>> {
    let mut cluster = Cluster::start(0).await?;
    cluster.start_worker(WORKER)?;
    let mut studies = Vec::new();
    for (name, file) in STUDIES {
        let mut expected = Expected { name, file, table: Vec::new(), attempts: 0 };
        cluster.submit(&expected.yaml(0)).await?;
        expected.table = cluster.table(&expected.named(0)).await?;
        let trials = cluster.trials(&expected.named(0)).await?;
        expected.attempts = trials.iter().map(|trial| trial.attempts).sum();
        studies.push(expected);
    }
    Ok(studies)
}
