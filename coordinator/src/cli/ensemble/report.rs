//! An ensemble as people and scripts read it.

use common::{
    ids::{StudyName, TrialNumber},
    metrics::Metric,
    view::StudyView,
};
use serde::Serialize;

use super::{
    super::output::{self, Show, Table},
    Labelled, Origin,
    gather::{Gathered, LeftOut},
    plan::Plan,
};
use crate::ensemble::{Answers, Comparison, Entry, Score, Vote};

/// An ensemble and all that it was chosen from.
#[derive(Debug, Serialize)]
pub(super) struct EnsembleReport {
    ensemble: StudyName,
    parent: Option<StudyName>,
    from: &'static str,
    planned: u32,
    members: usize,
    failed: Vec<LeftOut>,
    metric: Metric,
    vote: Vote,
    chosen_on: &'static str,
    temperature: f64,
    classes: Vec<String>,
    validation_samples: usize,
    test_samples: usize,
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
    /// How often the greedy selection picked the member.
    picks: Option<u32>,
    validation: Score,
    test: Score,
    temperature: f64,
    scaled: Scaled,
}

/// Losses at the row's temperature.
#[derive(Debug, Serialize)]
struct Scaled {
    validation_loss: f64,
    test_loss: f64,
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
            ensemble: view.name.clone(),
            parent: plan.parent.clone(),
            from: from.as_str(),
            planned: gathered.planned,
            members: gathered.members.len(),
            failed: gathered.failed.clone(),
            metric: view.metric,
            vote: comparison.chosen,
            chosen_on: if asked { "request" } else { "validation" },
            temperature: fitted.unwrap_or(1.0),
            classes: labelled.classes.clone(),
            validation_samples: labelled.truth.validation.len(),
            test_samples: labelled.truth.test.len(),
            test_touches: view.test_touches,
            rows: rows(&comparison),
            predictions: comparison.predictions,
        }
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
            picks: None,
            validation: entry.validation.clone(),
            test: entry.test.clone(),
            temperature: entry.temperature,
            scaled: Scaled { validation_loss, test_loss },
        }
    }
}

/// Members, the best of them, and the votes.
fn rows(comparison: &Comparison) -> Vec<Row> {
    let member = |(index, (trial, entry)): (usize, &(TrialNumber, Entry))| Row {
        trial: Some(*trial),
        picks: comparison.picks.get(index).copied(),
        ..Row::new(format!("member {trial}"), entry)
    };
    let mut rows: Vec<Row> = comparison.members.iter().enumerate().map(member).collect();
    if let Some((trial, entry)) = comparison.members.get(comparison.best_single) {
        rows.push(Row { trial: Some(*trial), ..Row::new(BEST.to_owned(), entry) });
    }
    rows.extend(comparison.votes.iter().map(|(vote, entry)| Row::new(name(*vote).to_owned(), entry)));
    rows
}

/// The row of the member that is best on the validation part.
const BEST: &str = "best single";

fn name(vote: Vote) -> &'static str {
    match vote {
        Vote::Soft => "soft vote",
        Vote::Greedy => "greedy vote",
        Vote::Hard => "hard vote",
    }
}

fn four(value: f64) -> String {
    format!("{value:.4}")
}

impl Show for EnsembleReport {
    fn table(&self) -> String {
        let head =
            ["", "picks", "val_accuracy", "val_loss", "test_accuracy", "test_loss", "temperature", "scaled"];
        let mut table = Table::new(head);
        for row in &self.rows {
            table.row([
                row.name.clone(),
                row.picks.map(|picks| picks.to_string()).unwrap_or_default(),
                four(row.validation.accuracy),
                four(row.validation.loss),
                four(row.test.accuracy),
                four(row.test.loss),
                four(row.temperature),
                four(row.scaled.test_loss),
            ]);
        }
        let chosen = self.row(name(self.vote));
        let mut classes = Table::new(["class", "f1 of the best single", "f1 of the ensemble"]);
        let f1 =
            |row: Option<&Row>, class: usize| row.map_or_else(String::new, |row| four(row.test.f1[class]));
        for (class, label) in self.classes.iter().enumerate() {
            classes.row([label.clone(), f1(self.row(BEST), class), f1(chosen, class)]);
        }
        let mut facts = vec![
            ("ensemble", self.ensemble.to_string()),
            ("members", format!("{} of {}, from {}", self.members, self.planned, self.from)),
            ("vote", format!("{}, chosen on {}", name(self.vote), self.chosen_on)),
        ];
        if let Some(row) = chosen {
            let (loss, scaled) = (row.test.loss, row.scaled.test_loss);
            let text = format!("{:.4} (loss {loss:.4}, {scaled:.4} at its temperature)", row.test.accuracy);
            facts.push(("test accuracy", text));
        }
        facts.push(("test part", format!("touched {} times by this ensemble", self.test_touches)));
        format!("{}\n\n{}\n\n{}", table.render(), classes.render(), output::facts(&facts))
    }

    fn csv(&self) -> Table {
        let head = ["name", "trial", "picks", "val_accuracy", "val_loss", "val_macro_f1", "test_accuracy"];
        let tail = ["test_loss", "test_macro_f1", "temperature", "scaled_val_loss", "scaled_test_loss"];
        let f1 = (0..self.classes.len()).map(|class| format!("test_f1_{class}"));
        let mut table = Table::new(head.into_iter().chain(tail).map(str::to_owned).chain(f1));
        for row in &self.rows {
            let numbers = [
                row.validation.accuracy,
                row.validation.loss,
                row.validation.macro_f1,
                row.test.accuracy,
                row.test.loss,
                row.test.macro_f1,
                row.temperature,
                row.scaled.validation_loss,
                row.scaled.test_loss,
            ];
            let first = [
                row.name.clone(),
                row.trial.map(|trial| trial.to_string()).unwrap_or_default(),
                row.picks.map(|picks| picks.to_string()).unwrap_or_default(),
            ];
            let numbers = numbers.iter().chain(&row.test.f1).map(ToString::to_string);
            table.row(first.into_iter().chain(numbers));
        }
        table
    }
}
