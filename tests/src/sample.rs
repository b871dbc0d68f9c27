//! A study for tests of faults.

use anyhow::Result;

use super::{Cluster, Row};

/// Hyperband with the formula trainer over 17 trials, 22 leases to train and 69 epochs: long enough for something to
/// happen in the middle of it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// Another seed draws other trials.
    pub seed: u64,
    /// How long an epoch takes, in seconds.
    pub epoch_seconds: f64,
}

impl Sample {
    /// Leases of a run in which none is lost: 22 to train, one to evaluate the best.
    pub const LEASES: u32 = 22 + 1;

    /// The study's file.
    pub fn yaml(&self) -> String {
        let Self { name, seed, epoch_seconds } = self;
        format!(
            "name: {name}\n\
             model: formula\n\
             space:\n  width: {{int: [1, 64]}}\n  lr: {{float: [0.0001, 0.1], log: true}}\n\
             scheduler: {{kind: hyperband, max_epochs: 9, eta: 3}}\n\
             train: {{epoch_seconds: {epoch_seconds}}}\n\
             seed: {seed}\n"
        )
    }

    /// Its table where nothing goes wrong.
    pub async fn undisturbed(&self) -> Result<Vec<Row>> {
        let cluster = Cluster::start(2).await?;
        cluster.submit(&Self { epoch_seconds: 0.001, ..*self }.yaml()).await?;
        cluster.table(self.name).await
    }
}
