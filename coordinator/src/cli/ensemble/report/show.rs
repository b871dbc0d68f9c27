//! An ensemble as a table.

use super::{
    super::super::{
        output::{self, Show, Table},
        text::{count, plural},
    },
    BEST, EnsembleReport, Row,
};
use crate::ensemble::Score;

/// Columns that there are only where some test samples validated.
const CLEAN: [&str; 3] = ["clean_accuracy", "clean_loss", "clean_scaled"];

impl Row {
    /// Its name, with the parent study's trial that it is.
    fn named(&self) -> String {
        match self.parent_trial {
            Some(trial) => format!("{} (trial {trial})", self.name),
            None => self.name.clone(),
        }
    }

    /// What stands in the columns of the clean samples.
    fn clean_figures(&self) -> impl Iterator<Item = f64> {
        let figures = self.clean.as_ref().zip(self.scaled.clean_loss);
        figures.into_iter().flat_map(|(clean, scaled)| [clean.accuracy, clean.loss, scaled])
    }

    /// What it scores on the test samples that did not validate; on all where none did.
    fn tested(&self) -> &Score {
        self.clean.as_ref().unwrap_or(&self.test)
    }
}

impl EnsembleReport {
    /// What stands below the tables.
    fn facts(&self, chosen: Option<&Row>) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("ensemble", self.ballot.ensemble.to_string()),
            ("members", format!("{} of {}, from {}", self.members, self.planned, self.from)),
            ("vote", format!("{}, chosen on {}", self.ballot.vote.name(), self.chosen_on)),
        ];
        let text = |accuracy: f64, loss: f64, scaled: f64| {
            format!("{accuracy:.4} (loss {loss:.4}, {scaled:.4} at its temperature)")
        };
        if let Some(row) = chosen {
            let all = text(row.test.accuracy, row.test.loss, row.scaled.test_loss);
            match row.clean.as_ref().zip(row.scaled.clean_loss) {
                None => facts.push(("test accuracy", all)),
                Some((clean, scaled)) => {
                    let samples = count((self.test_samples - self.contaminated) as u64);
                    let text = text(clean.accuracy, clean.loss, scaled);
                    facts.push(("test accuracy", format!("{text} on the {samples} clean samples")));
                    facts.push(("contaminated", format!("{all} on all, validation samples included")));
                }
            }
        }
        let times = plural(self.test_touches, "time");
        facts.push(("test part", format!("touched {times} by this ensemble")));
        facts
    }
}

fn four(value: f64) -> String {
    format!("{value:.4}")
}

impl Show for EnsembleReport {
    fn table(&self) -> String {
        let head =
            ["", "picks", "val_accuracy", "val_loss", "test_accuracy", "test_loss", "temperature", "scaled"];
        let clean = CLEAN.iter().filter(|_| self.contaminated > 0).copied();
        let mut table = Table::new(head.into_iter().chain(clean));
        for row in &self.rows {
            let first = [
                row.named(),
                row.picks.map(|picks| picks.to_string()).unwrap_or_default(),
                four(row.validation.accuracy),
                four(row.validation.loss),
                four(row.test.accuracy),
                four(row.test.loss),
                four(row.temperature),
                four(row.scaled.test_loss),
            ];
            table.row(first.into_iter().chain(row.clean_figures().map(four)));
        }
        let chosen = self.row(self.ballot.vote.name());
        let f1_of = if self.contaminated > 0 { "clean f1" } else { "f1" };
        let mut classes = Table::new([
            "class".to_owned(),
            format!("{f1_of} of the best single"),
            format!("{f1_of} of the ensemble"),
        ]);
        let f1 = |row: Option<&Row>, class: usize| {
            let score = row.map(Row::tested);
            score.map(|score| four(score.f1[class])).unwrap_or_default()
        };
        for (class, label) in self.classes.iter().enumerate() {
            classes.row([label.clone(), f1(self.row(BEST), class), f1(chosen, class)]);
        }
        let facts = output::facts(&self.facts(chosen));
        format!("{}\n\n{}\n\n{facts}", table.render(), classes.render())
    }

    fn csv(&self) -> Table {
        let head = ["name", "trial", "picks", "val_accuracy", "val_loss", "val_macro_f1", "test_accuracy"];
        let tail = ["test_loss", "test_macro_f1", "temperature", "scaled_val_loss", "scaled_test_loss"];
        let f1 = (0..self.classes.len()).map(|class| format!("test_f1_{class}"));
        let clean = CLEAN.iter().filter(|_| self.contaminated > 0).map(|name| (*name).to_owned());
        let adopted = self.rows.iter().any(|row| row.parent_trial.is_some());
        let parent = adopted.then(|| "parent_trial".to_owned());
        let head = head.into_iter().chain(tail).map(str::to_owned);
        let mut table = Table::new(head.chain(f1).chain(clean).chain(parent));
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
            let numbers = numbers.into_iter().chain(row.test.f1.iter().copied()).chain(row.clean_figures());
            let parent = adopted.then(|| row.parent_trial.map(|trial| trial.to_string()).unwrap_or_default());
            table.row(first.into_iter().chain(numbers.map(|number| number.to_string())).chain(parent));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use common::{
        ballot::{Ballot, Vote},
        ids::TrialNumber,
        metrics::Metric,
    };

    use super::{super::Scaled, *};
    use crate::ensemble::Answers;

    fn score(f1: [f64; 2]) -> Score {
        Score { accuracy: 0.5, loss: 0.7, macro_f1: f1.iter().sum::<f64>() / 2.0, f1: f1.to_vec() }
    }

    /// A vote of one member, and what it scores on test samples of which some may have validated.
    fn report(clean: Option<[f64; 2]>) -> EnsembleReport {
        let row = |name: &str| Row {
            name: name.to_owned(),
            trial: None,
            parent_trial: None,
            picks: None,
            validation: score([0.5, 0.5]),
            test: score([0.6, 0.7]),
            clean: clean.map(score),
            temperature: 1.0,
            scaled: Scaled { validation_loss: 0.6, test_loss: 0.6, clean_loss: clean.map(|_| 0.65) },
        };
        let vote = Vote::Soft;
        EnsembleReport {
            ballot: Ballot { ensemble: "e".parse().unwrap(), vote, temperature: 1.0, voters: Vec::new() },
            parent: None,
            from: "seeds",
            planned: 1,
            members: 1,
            failed: Vec::new(),
            metric: Metric::ValAccuracy,
            chosen_on: "validation",
            classes: ["coat", "bag"].map(str::to_owned).to_vec(),
            validation_samples: 2,
            test_samples: 10,
            contaminated: if clean.is_some() { 2 } else { 0 },
            test_touches: 1,
            rows: [BEST, vote.name()].map(row).into(),
            predictions: Answers::new(2, Vec::new()),
        }
    }

    #[test]
    fn the_classes_f1_is_clean_where_test_samples_validated() {
        let rows = |text: &str| {
            let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.collect::<Vec<_>>()
        };
        let all = rows(&report(None).table());
        assert!(all.contains(&"CLASS F1 OF THE BEST SINGLE F1 OF THE ENSEMBLE".to_owned()), "{all:#?}");
        assert!(all.contains(&"coat 0.6000 0.6000".to_owned()), "{all:#?}");
        let clean = rows(&report(Some([0.1, 0.2])).table());
        let head = "CLASS CLEAN F1 OF THE BEST SINGLE CLEAN F1 OF THE ENSEMBLE".to_owned();
        assert!(clean.contains(&head), "{clean:#?}");
        assert!(clean.contains(&"coat 0.1000 0.1000".to_owned()), "{clean:#?}");
        assert!(clean.iter().any(|line| line.contains("on the 8 clean samples")), "{clean:#?}");
    }

    #[test]
    fn members_that_the_parent_has_trained_name_its_trial() {
        let trained = report(None);
        assert!(!trained.csv().to_csv().unwrap().contains("parent_trial"));
        let mut adopted = trained;
        adopted.rows[0].parent_trial = Some(TrialNumber(17));
        assert!(adopted.table().contains("best single (trial 17)"), "{}", adopted.table());
        let csv = adopted.csv().to_csv().unwrap();
        let ends: Vec<_> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(ends, ["parent_trial", "17", ""]);
    }
}
