//! The row whose members vote.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::job::Job;
use super::net::Net;
use super::record::{ClassF1, Clean, Record, Test};
use super::row::Scale;
use super::rung::{Rung, study_file};

/// Members and votes of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Votes {
    /// Members that there were to be.
    pub(super) planned: u32,
    /// Members that finished, and vote.
    pub(super) members: u32,
    /// The vote that is best on validation.
    pub(super) vote: String,
    /// What classes are called.
    pub(super) classes: Vec<String>,
    /// Samples of the test part, and how many of them validated.
    #[serde(default)]
    pub(super) test_samples: u32,
    #[serde(default)]
    pub(super) contaminated: u32,
    /// Every member, the best single one, and the votes.
    pub(super) rows: Vec<Voter>,
}

/// A member or a vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Voter {
    pub(super) name: String,
    pub(super) trial: Option<u32>,
    /// How often the greedy vote counts it.
    pub(super) picks: Option<u32>,
    pub(super) validation: Part,
    pub(super) test: Part,
    /// On the test samples that did not validate, where others did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clean: Option<Part>,
    /// What fits it on validation.
    pub(super) temperature: f64,
    pub(super) scaled: Scaled,
}

/// What a voter scores on a part of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) accuracy: f64,
    pub(super) loss: f64,
    pub(super) f1: Vec<f64>,
}

/// Losses at the temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaled {
    pub(super) validation_loss: f64,
    pub(super) test_loss: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clean_loss: Option<f64>,
}

/// The row of the table is this vote, whichever validation prefers.
pub(super) const VOTE: &str = "soft vote";

impl Votes {
    /// The row of a name.
    pub(super) fn row(&self, name: &str) -> Option<&Voter> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// What a row scores at its temperature on the test samples that did not validate, where others did.
    pub(super) fn clean(&self, row: &Voter) -> Option<Clean> {
        let accuracy = row.clean.as_ref()?.accuracy;
        Some(Clean { accuracy, loss: row.scaled.clean_loss?, samples: self.test_samples - self.contaminated })
    }

    /// F1 of Shirt in a row.
    pub(super) fn shirt(&self, row: &Voter) -> Option<f64> {
        let class = self.classes.iter().position(|class| class == "Shirt")?;
        row.test.f1.get(class).copied()
    }
}

/// Trains members and lets them vote, or finds it done; what came of it.
///
/// `rung ensemble` makes members of a finished study's best configuration. There is one here, so its study trains it for
/// one epoch, and members for as many as the row says. Where they go on from another row's net, the cluster is given that.
pub(super) fn train(job: &Job, rung: &Rung) -> Result<Record> {
    // Members and votes are of one study file, so both studies bear its digest.
    let (name, Scale { epochs, runs }) = (job.row.name, job.scale);
    let (study, recipe) =
        (format!("paper-{name}-{runs}-{epochs}-{}", job.file), format!("paper-{name}-{}", job.file));
    if !rung.finished(&study)? {
        if let Some(net) = Net::of(job.row)? {
            net.add(rung)?;
        }
        if !rung.finished(&recipe)? {
            let file = study_file(job.row).display().to_string();
            let (named, once) = (format!("name={recipe}"), "scheduler.epochs=1".to_owned());
            rung.run(&[file, "--set".to_owned(), named, "--set".to_owned(), once])?;
        }
        let (members, epochs) = (runs.to_string(), epochs.to_string());
        rung.ensemble(&[&recipe, "--members", &members, "--epochs", &epochs], &study, job.run)?;
    }
    let votes: Votes = serde_json::from_value(rung.json(&["ensemble", &study, "-o", "json"])?)
        .with_context(|| format!("in what `rung ensemble {study}` says"))?;
    let soft = votes.row(VOTE).with_context(|| format!("ensemble {study} has no {VOTE}"))?;
    let classes = votes.classes.iter().zip(&soft.test.f1);
    let test = Test { accuracy: soft.test.accuracy, loss: soft.scaled.test_loss, clean: votes.clean(soft) };
    let f1 = classes.map(|(class, f1)| ClassF1 { class: class.clone(), f1: *f1 }).collect();
    let value = soft.validation.accuracy;
    Ok(Record { test, f1, value, votes: Some(votes), ..rung.record(job, &study)? })
}
