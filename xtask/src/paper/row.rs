//! The rows of the study that Rung grew from, in its order.

/// One row: a study file, and how often it is run.
#[derive(Debug)]
pub(super) struct Row {
    /// Its study file is `docs/paper/NAME.yaml`.
    pub(super) name: &'static str,
    /// Which part of the study it belongs to.
    pub(super) stage: &'static str,
    /// What it is, for the table.
    pub(super) what: &'static str,
    /// The study's own accuracy and loss on the test part.
    pub(super) seed: Option<(f64, Option<f64>)>,
    /// What is set to the row's epochs.
    pub(super) scaled: &'static str,
    /// Epochs of a run in full; for a search, of its longest trial.
    pub(super) epochs: u32,
    /// Runs in full, each with a seed of its own.
    pub(super) runs: u32,
    /// Minutes of one run in full on two cores, roughly.
    pub(super) minutes: f64,
}

const FIXED: &str = "scheduler.epochs";
const SEARCH: &str = "scheduler.max_epochs";

const BY_HAND: &str = "1. MLPs by hand";
const MLPS: &str = "2. MLPs searched";
const CNNS: &str = "3. CNNs by hand";
const CNN_SEARCH: &str = "4. CNNs searched";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    row("mlp-small", BY_HAND, "two hidden layers", Some((0.8906, Some(0.6279))), (FIXED, 100, 1, 1.0)),
    row("mlp-medium", BY_HAND, "four hidden layers", Some((0.8856, Some(0.4144))), (FIXED, 100, 1, 1.5)),
    row("mlp-large", BY_HAND, "six hidden layers", Some((0.8710, Some(0.3807))), (FIXED, 100, 1, 2.5)),
    row("mlp-search", MLPS, "Hyperband over the study's space", Some((0.8932, None)), (SEARCH, 27, 1, 4.0)),
    row("mlp-best", MLPS, "Rung's own MLP", None, (FIXED, 16, 5, 0.4)),
    row("cnn-4block", CNNS, "three blocks and a head", Some((0.9308, Some(0.1952))), (FIXED, 60, 3, 20.0)),
    row("cnn-4block-augmented", CNNS, "the same, augmented", None, (FIXED, 60, 1, 25.0)),
    row("cnn-5block", CNNS, "four blocks and a head", Some((0.9409, Some(0.2138))), (FIXED, 60, 1, 25.0)),
    row(
        "cnn-search",
        CNN_SEARCH,
        "Hyperband over the study's space",
        Some((0.9409, None)),
        (SEARCH, 9, 1, 40.0),
    ),
    row("cnn-best", CNN_SEARCH, "Rung's own CNN, 272,186 parameters", None, (FIXED, 24, 3, 20.0)),
];

const fn row(
    name: &'static str,
    stage: &'static str,
    what: &'static str,
    seed: Option<(f64, Option<f64>)>,
    (scaled, epochs, runs, minutes): (&'static str, u32, u32, f64),
) -> Row {
    Row { name, stage, what, seed, scaled, epochs, runs, minutes }
}

/// How much of a row is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) epochs: u32,
    pub(super) runs: u32,
}

impl Row {
    /// As much of the row as its share of a budget allows, all rows together taking `minutes`: fewer runs first, then
    /// fewer epochs, and never less than one of each. Everything where there is no budget.
    pub(super) fn within(&self, minutes: Option<f64>) -> Scale {
        let all: f64 = ROWS.iter().map(|row| row.minutes * f64::from(row.runs)).sum();
        let share = minutes.map_or(1.0, |minutes| (minutes / all).min(1.0));
        let affordable = share * f64::from(self.runs);
        let runs = (affordable.floor() as u32).clamp(1, self.runs);
        let epochs = f64::from(self.epochs) * affordable.min(1.0);
        Scale { epochs: (epochs.round() as u32).clamp(1, self.epochs), runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_takes_runs_first_and_then_epochs() {
        let best = ROWS.iter().find(|row| row.name == "mlp-best").unwrap();
        assert_eq!(best.within(None), Scale { epochs: 16, runs: 5 });
        assert_eq!(best.within(Some(1e6)), Scale { epochs: 16, runs: 5 });
        let all: f64 = ROWS.iter().map(|row| row.minutes * f64::from(row.runs)).sum();
        assert_eq!(best.within(Some(all / 2.0)), Scale { epochs: 16, runs: 2 });
        assert_eq!(best.within(Some(all / 10.0)), Scale { epochs: 8, runs: 1 });
        assert_eq!(best.within(Some(0.0)), Scale { epochs: 1, runs: 1 });
    }

    #[test]
    fn every_row_has_a_study_file_of_its_name() {
        for row in ROWS {
            let path = crate::checkout::root().join(format!("docs/paper/{}.yaml", row.name));
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("name: paper-{}\n", row.name)), "{}", row.name);
        }
    }
}
