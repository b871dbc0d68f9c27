//! Whether a stored cluster keeps its promises: every invariant that can be seen on disk, and what breaks it.
//!
//! It only reads, and may do so beside a running coordinator: all rows are of one moment.

mod study;

use std::path::Path;

use common::ids::{Attempt, TrialNumber};
use scheduler::audit::Invariant;
use serde::Serialize;

use crate::{
    blobs::{BlobError, Blobs, ObjectKey},
    store::{Reader, StoreError},
};

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Studies.
    pub studies: u64,
    /// Trials that have started.
    pub trials: u64,
    /// Events.
    pub events: u64,
    /// Objects that somebody may ask for, read in full.
    pub objects: u64,
    /// Bytes of everything that lies in the folder of objects.
    pub bytes: u64,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// A promise that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which: its number in docs/reliability.md.
    pub invariant: &'static str,
    /// Of which study: its name, or its id where the name cannot be read.
    pub study: Option<String>,
    /// Of which trial.
    pub trial: Option<TrialNumber>,
    /// Of which attempt.
    pub attempt: Option<Attempt>,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    /// A violation that is nobody's in particular.
    fn new(invariant: &'static str, what: impl ToString) -> Self {
        Self { invariant, study: None, trial: None, attempt: None, what: what.to_string() }
    }
}

/// The number of an invariant.
fn number(invariant: Invariant) -> &'static str {
    match invariant {
        Invariant::OneAttempt => "I1",
        Invariant::AttemptsIncrease => "I2",
        Invariant::Fold => "I6",
        Invariant::Promotions => "I7",
        Invariant::Budget => "I8",
        Invariant::FinalStates => "I13",
    }
}

/// Objects that a study needs, under the name that people know it by.
#[derive(Debug)]
struct Needed {
    study: String,
    keys: Vec<ObjectKey>,
}

/// Why a folder could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The objects cannot be listed or read.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// A fault of ours.
    #[error("the check panicked")]
    Panicked,
}

/// Checks a state folder. What breaks the promise is a finding; an error says that nothing could be found out.
pub async fn check(state: &Path, quota: Option<u64>) -> Result<Findings, FsckError> {
    let folder = state.to_owned();
    let rows = tokio::task::spawn_blocking(move || rows(&folder));
    let (mut findings, needed) = rows.await.map_err(|_| FsckError::Panicked)??;
    // The folder is there, for the store is: nothing is created by opening it.
    let blobs = Blobs::open(state)?;
    for needed in needed {
        for key in &needed.keys {
            findings.objects += 1;
            if let Err(error) = blobs.get(key).await
                && still_needed(state, key)
            {
                findings.violations.push(of_object(&needed.study, key, &error));
            }
        }
    }
    check_data(state, &blobs, &mut findings).await?;
    check_models(state, &blobs, &mut findings).await?;
    findings.bytes = blobs.stored().await?;
    if let Some(quota) = quota.filter(|quota| findings.bytes > *quota) {
        let what = format!("{} bytes are stored, {quota} may be", findings.bytes);
        findings.violations.push(Violation::new("I14", what));
    }
    Ok(findings)
}

/// Checks all rows; returns the objects that they name.
fn rows(state: &Path) -> Result<(Findings, Vec<Needed>), StoreError> {
    let reader = Reader::open(state)?;
    let (mut findings, mut needed) = (Findings::default(), Vec::new());
    let damaged = |what: String| Violation::new("I11", format!("the database is damaged: {what}"));
    match reader.structure() {
        Ok(flaws) => findings.violations.extend(flaws.into_iter().map(damaged)),
        Err(error) => findings.violations.push(damaged(error.to_string())),
    }
    let inspected = reader.inspect(|rows| needed.extend(study::check(&rows, &mut findings)));
    if let Err(error) = inspected {
        findings.violations.push(damaged(error.to_string()));
    }
    Ok((findings, needed))
}

/// Whether an object that cannot be read is needed now: beside a running coordinator it may have been superseded and
/// deleted since the rows were read.
fn still_needed(state: &Path, key: &ObjectKey) -> bool {
    let now = Reader::open(state).and_then(|reader| reader.log(&key.study));
    // A log that cannot be read any more says nothing against what it said before.
    now.map_or(true, |log| study::objects(&key.study, &log).contains(key))
}

async fn check_data(state: &Path, blobs: &Blobs, findings: &mut Findings) -> Result<(), FsckError> {
    let reader = Reader::open(state)?;
    let sets = match reader.data() {
        Ok(sets) => sets,
        Err(error) => {
            findings.violations.push(Violation::new("I11", error));
            return Ok(());
        }
    };
    for set in sets {
        findings.objects += 1;
        // Beside a running coordinator it may have been removed since the rows were read.
        if let Err(error) = blobs.get_data(set.facts.digest).await
            && reader
                .data()
                .map_or(true, |now| now.iter().any(|other| other.facts.digest == set.facts.digest))
        {
            let what = format!("data set {}: {error}", set.name);
            findings.violations.push(Violation::new(number_of(&error), what));
        }
    }
    Ok(())
}

async fn check_models(state: &Path, blobs: &Blobs, findings: &mut Findings) -> Result<(), FsckError> {
    let reader = Reader::open(state)?;
    let models = match reader.models() {
        Ok(models) => models,
        Err(error) => {
            findings.violations.push(Violation::new("I11", error));
            return Ok(());
        }
    };
    for model in models {
        findings.objects += 1;
        if let Err(error) = blobs.get_model(model.facts.digest).await
            && reader
                .models()
                .map_or(true, |now| now.iter().any(|other| other.facts.digest == model.facts.digest))
        {
            let what = format!("weights {}: {error}", model.name);
            findings.violations.push(Violation::new(number_of(&error), what));
        }
    }
    Ok(())
}

fn of_object(study: &str, key: &ObjectKey, error: &BlobError) -> Violation {
    Violation {
        study: Some(study.to_owned()),
        trial: Some(key.trial),
        ..Violation::new(number_of(error), format!("epoch {}: {error}", key.epoch))
    }
}

/// An object that is not there cannot be resolved; one that is there and wrong is damaged.
fn number_of(error: &BlobError) -> &'static str {
    if matches!(error, BlobError::Missing(_)) { "I9" } else { "I11" }
}

#[cfg(test)]
mod tests;
