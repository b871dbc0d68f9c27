//! An ensemble as a table.

use super::{
    super::super::{
        output::{self, Show, Table},
        text::{count, plural},
    },
    BEST, EnsembleReport, Row,
};

/// Columns that there are only where some test samples validated.
const CLEAN: [&str; 3] = ["clean_accuracy", "clean_loss", "clean_scaled"];

impl Row {
    /// What stands in the columns of the clean samples.
    fn clean_figures(&self) -> impl Iterator<Item = f64> {
        let figures = self.clean.as_ref().zip(self.scaled.clean_loss);
        figures.into_iter().flat_map(|(clean, scaled)| [clean.accuracy, clean.loss, scaled])
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
                row.name.clone(),
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
        let mut classes = Table::new(["class", "f1 of the best single", "f1 of the ensemble"]);
        let f1 =
            |row: Option<&Row>, class: usize| row.map_or_else(String::new, |row| four(row.test.f1[class]));
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
        let mut table = Table::new(head.into_iter().chain(tail).map(str::to_owned).chain(f1).chain(clean));
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
            table.row(first.into_iter().chain(numbers.map(|number| number.to_string())));
        }
        table
    }
}
