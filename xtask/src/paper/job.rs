//! What is still to be run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use common::checkpoint::Digest;
use common::study::StudySpec;

use super::ensemble;
use super::net::Net;
use super::record::Record;
use super::row::{Kind, Limits, ROWS, Row, Scale};
use super::rung::{Rung, study_file};
use crate::failure::Failure;

/// One run that no record answers for.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) row: &'static Row,
    /// The run's seed, from 1.
    pub(super) run: u32,
    /// How much of it: epochs, and the members of an ensemble.
    pub(super) scale: Scale,
    /// The digest of the study file, in short.
    pub(super) file: String,
    /// What the search found whose best configuration is trained again.
    pub(super) search: Option<Record>,
}

impl Job {
    /// What is still to be run of these rows, in their order.
    pub(super) fn left(rows: &[&'static Row], limits: &Limits, results: &Path) -> Result<Vec<Self>> {
        let mut jobs: Vec<Self> = Vec::new();
        for row in rows.iter().copied() {
            let (scale, file) = (limits.scale(row, rows), digest(row)?);
            let (renewed, search) = match row.kind {
                Kind::Retrain(search) => {
                    let renewed = jobs.iter().any(|job| job.row.name == search);
                    (renewed, found(row, search, (renewed, &file), results)?)
                }
                Kind::Fixed | Kind::Search | Kind::Ensemble => (false, None),
            };
            let runs = if row.kind == Kind::Ensemble { 1 } else { scale.runs };
            for run in 1..=runs {
                let job = Self { row, run, scale, file: file.clone(), search: search.clone() };
                let known = Record::read(results, row.name, run)?;
                if renewed || !known.is_some_and(|known| job.is_answered(&known)) {
                    jobs.push(job);
                }
            }
        }
        Ok(jobs)
    }

    /// Whether a record says all that the run would.
    fn is_answered(&self, known: &Record) -> bool {
        let members = known.votes.as_ref().map_or(0, |votes| votes.planned);
        known.file.as_ref().is_none_or(|file| *file == self.file)
            && known.epochs >= self.scale.epochs
            && (self.row.study.shirt.is_none() || known.shirt().is_some())
            && (self.row.kind != Kind::Ensemble || members >= self.scale.runs)
            && self.search.as_ref().is_none_or(|search| search.hparams == known.hparams)
    }

    /// Its study's name; another one follows where that is taken by a study of other content.
    pub(super) fn study(&self) -> String {
        format!("paper-{}-{}-{}", self.row.name, self.run, self.scale.epochs)
    }

    /// The values of the study file that are replaced, for a study of this name.
    fn replaced(&self, name: &str) -> Vec<(String, String)> {
        let epochs = self.scale.epochs;
        let mut set = vec![("name", name.to_owned()), ("seed", self.run.to_string())];
        match (self.row.kind, &self.search) {
            (Kind::Search, _) => set.push(("scheduler.max_epochs", epochs.to_string())),
            (_, Some(search)) => {
                let trials = format!("[{{hparams: {}}}]", search.hparams);
                set.extend([
                    ("space", "{}".to_owned()),
                    ("data", "{split: none}".to_owned()),
                    ("objective", "{metric: train_loss}".to_owned()),
                    ("scheduler", format!("{{kind: fixed, epochs: {epochs}, trials: {trials}}}")),
                ]);
            }
            _ => set.push(("scheduler.epochs", epochs.to_string())),
        }
        set.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The study file and what is replaced in it, for `rung run` and `rung study submit`.
    fn arguments(&self, name: &str) -> Vec<String> {
        let set = self.replaced(name).into_iter().map(|(key, value)| format!("{key}={value}"));
        let file = study_file(self.row).display().to_string();
        [file].into_iter().chain(set.flat_map(|pair| ["--set".to_owned(), pair])).collect()
    }

    /// What its study is called, or will be: the first name that is free, or a study's of the very same content.
    fn place(&self, rung: &Rung) -> Result<Place> {
        let (base, path) = (self.study(), study_file(self.row));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for number in 1.. {
            let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
            let Some((phase, spec)) = rung.spec(&name)? else { return Ok(Place { name, finished: false }) };
            let own = StudySpec::from_yaml_with(&text, &self.replaced(&name))
                .map_err(|error| Failure::bad_input(format!("{}: {}", path.display(), error.message)))?;
            if own.agrees(&spec) {
                return Ok(Place { name, finished: phase == "finished" });
            }
        }
        bail!("there are too many studies called {base}")
    }

    /// Submits its study for workers that have nothing else to do, where that is possible; its name.
    pub(super) fn announce(&self, rung: &Rung) -> Result<Option<String>> {
        let known = match self.row.kind {
            Kind::Fixed | Kind::Search => true,
            Kind::Retrain(_) => self.search.is_some(),
            Kind::Ensemble => false,
        };
        if !known {
            return Ok(None);
        }
        let place = self.place(rung)?;
        if !place.finished {
            rung.submit(&self.arguments(&place.name))?;
        }
        Ok(Some(place.name))
    }

    /// Runs its study, goes on with it, or finds it finished; what came of it.
    pub(super) fn train(&mut self, rung: &Rung, results: &Path) -> Result<Record> {
        if let (Kind::Retrain(search), None) = (self.row.kind, &self.search) {
            self.search = found(self.row, search, (false, &self.file), results)?;
        }
        if self.row.kind == Kind::Ensemble {
            // What it begins with may have been trained meanwhile.
            self.file = digest(self.row)?;
            return ensemble::train(self, rung);
        }
        let place = self.place(rung)?;
        if !place.finished {
            rung.run(&self.arguments(&place.name))?;
        }
        if let Some(net) = Net::from(self.row)? {
            net.keep(&place.name, rung)?;
        }
        rung.record(self, &place.name)
    }

    /// What is about to be run.
    pub(super) fn title(&self) -> String {
        let (row, Scale { epochs, runs }) = (self.row, self.scale);
        let what = match row.kind {
            Kind::Ensemble => format!("{runs} of {} members", row.runs),
            _ => format!("run {} of {runs}", self.run),
        };
        format!("{}, {what}, {epochs} of {} epochs", row.name, row.epochs)
    }
}

/// Where a run's study is, or will be.
struct Place {
    name: String,
    finished: bool,
}

/// What a search has found, of this very study file; none where it is about to be run again.
fn found(row: &Row, search: &str, (renewed, file): (bool, &str), results: &Path) -> Result<Option<Record>> {
    if renewed {
        return Ok(None);
    }
    match Record::read(results, search, 1)?
        .filter(|found| found.file.as_ref().is_none_or(|known| known == file))
    {
        Some(found) => Ok(Some(found)),
        None => Err(Failure::bad_input(format!(
            "row {} trains what {search} found, which has not been run: add `--only {search}`",
            row.name
        ))),
    }
}

/// A row's study file in eight digits, with the net that it begins with: comments do not count.
fn digest(row: &Row) -> Result<String> {
    let path = study_file(row);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let net = Net::of(row)?.and_then(|net| net.bytes()).unwrap_or_default();
    Ok(Digest::of(&[lines.join("\n").as_bytes(), &net].concat()).to_string()[..8].to_owned())
}

/// The row of a name.
pub(super) fn named(name: &str) -> Result<&'static Row> {
    ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        Failure::bad_input(format!("there is no row `{name}`: rows are {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests;
