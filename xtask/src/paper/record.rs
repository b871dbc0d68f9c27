//! What one run found, as it is committed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::ensemble::Votes;

/// One run of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) row: String,
    /// The run's seed, from 1.
    pub(super) run: u32,
    /// What it was scaled to; in full where it is the row's own.
    pub(super) epochs: u32,
    /// The study file that was run, by its digest: another one makes the record void. Records of before it was noted
    /// are of the file as it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// Most epochs of the search that chose the configuration, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) search_epochs: Option<u32>,
    /// Epochs that were trained, all trials together.
    pub(super) trained: u64,
    pub(super) parameters: u64,
    pub(super) metric: String,
    pub(super) value: f64,
    pub(super) test: Test,
    /// F1 of each class on the whole test part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) f1: Vec<ClassF1>,
    pub(super) hparams: serde_json::Value,
    /// Members and votes, where the run is an ensemble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) votes: Option<Votes>,
    /// How long anything was trained.
    pub(super) active_seconds: f64,
    /// The epochs of all trials, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) training_seconds: Option<f64>,
    /// What it ran on.
    pub(super) machine: String,
}

/// Scores on the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Test {
    pub(super) accuracy: f64,
    pub(super) loss: f64,
    /// On the samples that did not validate, where others of the test part did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clean: Option<Clean>,
}

/// Scores on the clean part of the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Clean {
    pub(super) accuracy: f64,
    pub(super) loss: f64,
    pub(super) samples: u32,
}

/// A class and how well it is told from the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClassF1 {
    pub(super) class: String,
    pub(super) f1: f64,
}

impl Record {
    /// The file of a run.
    fn file(row: &str, run: u32) -> String {
        format!("{row}-{run}.json")
    }

    /// The record of a run, where there is one.
    pub(super) fn read(folder: &Path, row: &str, run: u32) -> Result<Option<Self>> {
        let path = folder.join(Self::file(row, run));
        match fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text).map(Some).with_context(|| format!("in {}", path.display()))
            }
            Err(_) => Ok(None),
        }
    }

    /// Writes the record, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(Self::file(&self.row, self.run));
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, serde_json::to_string_pretty(self)? + "\n")?;
        fs::rename(&temporary, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Seconds of one core that the run took.
    pub(super) fn core_seconds(&self) -> f64 {
        self.training_seconds.unwrap_or(self.active_seconds)
    }

    /// F1 of the class that the study found hardest to tell, where it was recorded.
    pub(super) fn shirt(&self) -> Option<f64> {
        self.f1.iter().find(|class| class.class == "Shirt").map(|class| class.f1)
    }
}
