//! A row's net that other rows begin with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::study::StudySpec;

use super::row::{ROWS, Row};
use super::rung::{Rung, study_file};
use crate::checkout;
use crate::failure::Failure;

/// A net that is committed with the results: `docs/results/ROW/`, as `rung export --to safetensors` writes it, of the row's first
/// run that ended after there was none. Whoever repeats a row that begins with it need not train the other one for hours.
#[derive(Debug, PartialEq)]
pub(super) struct Net {
    /// The row whose net it is.
    row: String,
    folder: PathBuf,
}

/// What the cluster calls the net of a row: this and the row's name.
const PREFIX: &str = "paper-";

impl Net {
    /// What a row begins with, if its study file names initial weights.
    pub(super) fn of(row: &Row) -> Result<Option<Self>> {
        let path = study_file(row);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let bad = |what: String| Failure::bad_input(format!("{}: {what}", path.display()));
        let spec = StudySpec::from_yaml(&text).map_err(|error| bad(error.message))?;
        let Some(initial) = spec.train.initial_weights else { return Ok(None) };
        let named = initial
            .name
            .as_str()
            .strip_prefix(PREFIX)
            .filter(|name| ROWS.iter().any(|row| row.name == *name));
        match named {
            Some(name) => Ok(Some(Self::called(name))),
            None => {
                Err(bad(format!("initial weights `{}` are no row's: `{PREFIX}ROW` would be", initial.name)))
            }
        }
    }

    /// The net of this row, if another one begins with it.
    pub(super) fn from(row: &Row) -> Result<Option<Self>> {
        for other in ROWS {
            if let Some(net) = Self::of(other)?.filter(|net| net.row == row.name) {
                return Ok(Some(net));
            }
        }
        Ok(None)
    }

    fn called(row: &str) -> Self {
        Self { row: row.to_owned(), folder: checkout::root().join(Path::new("docs/results")).join(row) }
    }

    fn weights(&self) -> PathBuf {
        self.folder.join("model.safetensors")
    }

    /// Its bytes; none before it was trained.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        fs::read(self.weights()).ok()
    }

    /// Keeps a finished study's net, unless one is kept.
    pub(super) fn keep(&self, study: &str, rung: &Rung) -> Result<()> {
        if self.weights().exists() {
            return Ok(());
        }
        println!("its net is kept in {}: another row begins with it", self.folder.display());
        rung.export(study, &self.folder)
    }

    /// Gives it to the cluster.
    pub(super) fn add(&self, rung: &Rung) -> Result<()> {
        if !self.weights().exists() {
            let (row, folder) = (&self.row, self.folder.display());
            return Err(Failure::bad_input(format!("{folder} has no net of {row}: add `--only {row}`")));
        }
        rung.add_model(&format!("{PREFIX}{}", self.row), &self.weights())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::job::named;

    #[test]
    fn an_ensemble_goes_on_from_the_net_of_the_best_cnn() {
        let net = Net::of(named("ensemble-best").unwrap()).unwrap().expect("it names initial weights");
        assert_eq!(net, Net::from(named("cnn-best").unwrap()).unwrap().expect("another row begins with it"));
        assert!(net.weights().ends_with("docs/results/cnn-best/model.safetensors"));
        assert!(net.bytes().is_some(), "it is committed");
        assert_eq!(Net::from(named("mlp-best").unwrap()).unwrap(), None);
        assert_eq!(Net::of(named("mlp-small").unwrap()).unwrap(), None);
    }
}
