//! An ensemble as people and scripts read it.

use common::{
    ballot::{Ballot, Voter},
    ids::{StudyName, TrialNumber},
    metrics::Metric,
    study::StudySpec,
    view::StudyView,
};
use serde::Serialize;

mod show;

use super::{
    Labelled, Origin,
    gather::{Gathered, LeftOut},
    plan::Plan,
};
use crate::ensemble::{Answers, Comparison, Entry, Score};

/// An ensemble and all that it was chosen from.
#[derive(Debug, Serialize)]
pub(super) struct EnsembleReport {
    #[serde(flatten)]
    ballot: Ballot,
    parent: Option<StudyName>,
    from: &'static str,
    planned: u32,
    members: usize,
    failed: Vec<LeftOut>,
    metric: Metric,
    chosen_on: &'static str,
    classes: Vec<String>,
    validation_samples: usize,
    test_samples: usize,
    /// Validation samples that are of the test part: its figures are contaminated by them.
    contaminated: usize,
    test_touches: u32,
    rows: Vec<Row>,
    #[serde(skip)]
    pub(super) predictions: Answers,
}

/// A member or a vote.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// The member's trial, where it is one.
    trial: Option<TrialNumber>,
    /// The parent study's trial that the member is, where it was trained there.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_trial: Option<TrialNumber>,
    /// How often the greedy selection picked the member.
    picks: Option<u32>,
    validation: Score,
    test: Score,
    /// On the test samples that did not validate, where others did.
    #[serde(skip_serializing_if = "Option::is_none")]
    clean: Option<Score>,
    temperature: f64,
    scaled: Scaled,
}

/// Losses at the row's temperature.
#[derive(Debug, Serialize)]
struct Scaled {
    validation_loss: f64,
    test_loss: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clean_loss: Option<f64>,
}

impl EnsembleReport {
    /// The report on a finished ensemble; whether its vote was asked for.
    pub(super) fn new(
        view: &StudyView,
        plan: &Plan,
        (gathered, labelled): (&Gathered, &Labelled),
        (comparison, asked): (Comparison, bool),
    ) -> Self {
        let from = if plan.spec.is_adopted() { Origin::Trials } else { Origin::Seeds };
        let fitted = comparison.vote(comparison.chosen).map(|entry| entry.temperature);
        Self {
            ballot: Ballot {
                ensemble: view.name.clone(),
                vote: comparison.chosen,
                temperature: fitted.unwrap_or(1.0),
                voters: voters(&comparison),
            },
            parent: plan.parent.clone(),
            from: from.as_str(),
            planned: gathered.planned,
            members: gathered.members.len(),
            failed: gathered.failed.clone(),
            metric: view.metric,
            chosen_on: if asked { "request" } else { "validation" },
            classes: labelled.classes.clone(),
            validation_samples: labelled.truth.validation.len(),
            test_samples: labelled.truth.test.len(),
            contaminated: labelled.truth.validated.len(),
            test_touches: view.test_touches,
            rows: rows(&comparison, &plan.spec),
            predictions: comparison.predictions,
        }
    }

    /// Whether a member counts in the vote.
    pub(super) fn counts(&self, trial: TrialNumber) -> bool {
        self.ballot.voters.iter().any(|voter| voter.trial == trial)
    }

    /// The row of a name.
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

impl Row {
    fn new(name: String, entry: &Entry) -> Self {
        let (validation_loss, test_loss) = entry.scaled_loss;
        Self {
            name,
            trial: None,
            parent_trial: None,
            picks: None,
            validation: entry.validation.clone(),
            test: entry.test.clone(),
            clean: entry.clean.as_ref().map(|(score, _)| score.clone()),
            temperature: entry.temperature,
            scaled: Scaled {
                validation_loss,
                test_loss,
                clean_loss: entry.clean.as_ref().map(|(_, scaled)| *scaled),
            },
        }
    }
}

/// The members that count in the vote.
fn voters(comparison: &Comparison) -> Vec<Voter> {
    let counted = comparison.members.iter().zip(comparison.weights()).filter(|(_, weight)| *weight > 0);
    counted.map(|((trial, _), weight)| Voter { trial: *trial, weight }).collect()
}

/// Members, the best of them, and the votes.
fn rows(comparison: &Comparison, spec: &StudySpec) -> Vec<Row> {
    let of_trial = |trial: TrialNumber, row: Row| {
        let listed = spec.scheduler.listed().get(trial.0 as usize);
        let parent_trial = listed.and_then(|listed| Some(listed.trained.as_ref()?.trial));
        Row { trial: Some(trial), parent_trial, ..row }
    };
    let member = |(index, (trial, entry)): (usize, &(TrialNumber, Entry))| {
        let picks = comparison.picks.get(index).copied();
        of_trial(*trial, Row { picks, ..Row::new(format!("member {trial}"), entry) })
    };
    let mut rows: Vec<Row> = comparison.members.iter().enumerate().map(member).collect();
    if let Some((trial, entry)) = comparison.members.get(comparison.best_single) {
        rows.push(of_trial(*trial, Row::new(BEST.to_owned(), entry)));
    }
    rows.extend(comparison.votes.iter().map(|(vote, entry)| Row::new(vote.name().to_owned(), entry)));
    rows
}

/// The row of the member that is best on the validation part.
const BEST: &str = "best single";
