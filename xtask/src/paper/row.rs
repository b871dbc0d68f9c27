//! The rows of the Keras study that Rung grew from, in its order.

/// One row: what is run, how often, and what the study found.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// Its study file is `docs/paper/NAME.yaml`, unless it retrains what another row found.
    pub(super) name: &'static str,
    /// Which part of the study it belongs to.
    pub(super) stage: &'static str,
    /// What it is, for the table.
    pub(super) what: &'static str,
    /// The study's own figures on the test part.
    pub(super) study: Figures,
    pub(super) kind: Kind,
    /// Epochs of a run in full; for a search, of its longest trial; for an ensemble, of each member.
    pub(super) epochs: u32,
    /// Runs in full, each with a seed of its own; for an ensemble, its members.
    pub(super) runs: u32,
    /// Minutes of one run in full on one core, guessed before any was measured.
    pub(super) minutes: f64,
}

/// How a row is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One configuration.
    Fixed,
    /// Hyperband.
    Search,
    /// The best configuration of the search of this name, trained on all 60,000 images for a fixed number of epochs.
    Retrain(&'static str),
    /// Members of one configuration that vote: one run, whose number of members is scaled as runs are.
    Ensemble,
}

/// What the study reports, as far as it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) accuracy: Option<f64>,
    pub(super) loss: Option<f64>,
    /// F1 of the class that is hardest to tell.
    pub(super) shirt: Option<f64>,
}

/// Nothing to compare with.
const OWN: Figures = Figures { accuracy: None, loss: None, shirt: None };

const fn found(accuracy: f64) -> Figures {
    Figures { accuracy: Some(accuracy), ..OWN }
}

const fn with_loss(accuracy: f64, loss: f64) -> Figures {
    Figures { loss: Some(loss), ..found(accuracy) }
}

const BY_HAND: &str = "1. MLPs by hand";
const MLPS: &str = "2. MLPs searched";
const CNNS: &str = "3. CNNs by hand";
const CNN_SEARCH: &str = "4. CNNs searched";
const ENSEMBLE: &str = "5. ensemble";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    fixed("mlp-small", BY_HAND, "two hidden layers", with_loss(0.8906, 0.6279), (100, 5, 1.0)),
    fixed("mlp-medium", BY_HAND, "four hidden layers", with_loss(0.8856, 0.4144), (100, 5, 1.5)),
    fixed("mlp-large", BY_HAND, "six hidden layers", with_loss(0.8710, 0.3807), (100, 5, 2.5)),
    Row {
        kind: Kind::Search,
        ..fixed("mlp-search", MLPS, "Hyperband over the Keras study's space", found(0.8932), (27, 1, 8.0))
    },
    Row {
        kind: Kind::Retrain("mlp-search"),
        ..fixed(
            "mlp-search-best",
            MLPS,
            "the search's best, trained on all 60,000",
            found(0.8932),
            (27, 5, 1.0),
        )
    },
    Row {
        kind: Kind::Search,
        ..fixed("mlp-best-search", MLPS, "Hyperband over Rung's own space", OWN, (81, 1, 50.0))
    },
    fixed("mlp-best", MLPS, "Rung's own MLP, which that search found", OWN, (81, 5, 4.0)),
    fixed(
        "cnn-4block",
        CNNS,
        "three blocks and a head",
        Figures { shirt: Some(0.78), ..with_loss(0.9308, 0.1952) },
        (60, 3, 40.0),
    ),
    fixed(
        "cnn-4block-augmented",
        CNNS,
        "the same, augmented",
        Figures { shirt: Some(0.83), ..OWN },
        (30, 3, 27.0),
    ),
    fixed("cnn-5block", CNNS, "four blocks and a head", with_loss(0.9409, 0.2138), (40, 1, 80.0)),
    Row {
        kind: Kind::Search,
        ..fixed(
            "cnn-search",
            CNN_SEARCH,
            "Hyperband over the Keras study's space",
            found(0.9409),
            (9, 1, 90.0),
        )
    },
    Row {
        kind: Kind::Search,
        ..fixed("cnn-all", CNN_SEARCH, "the one-step search that the Keras study proposed", OWN, (9, 1, 45.0))
    },
    Row {
        kind: Kind::Search,
        ..fixed("cnn-best-search", CNN_SEARCH, "Hyperband over Rung's own space", OWN, (9, 1, 100.0))
    },
    fixed("cnn-best", CNN_SEARCH, "Rung's own CNN, which that search preferred", OWN, (80, 3, 66.0)),
    Row {
        kind: Kind::Ensemble,
        ..fixed(
            "ensemble",
            ENSEMBLE,
            "soft vote of residual nets, loss at validation's temperature",
            Figures { shirt: Some(0.85), ..with_loss(0.9509, 0.1552) },
            (16, 15, 15.0),
        )
    },
    Row {
        kind: Kind::Ensemble,
        ..fixed(
            "ensemble-best",
            ENSEMBLE,
            "soft vote of nets that go on from a net of `cnn-best`, loss at validation's temperature",
            Figures { shirt: Some(0.85), ..with_loss(0.9509, 0.1552) },
            (12, 15, 11.0),
        )
    },
];

const fn fixed(
    name: &'static str,
    stage: &'static str,
    what: &'static str,
    study: Figures,
    (epochs, runs, minutes): (u32, u32, f64),
) -> Row {
    Row { name, stage, what, study, kind: Kind::Fixed, epochs, runs, minutes }
}

/// Cores of the machine that budgets are meant for.
const CORES: f64 = 2.0;

/// How much is run of some rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    /// How long all of them together may take; everything where there is none.
    pub(super) minutes: Option<f64>,
    /// Most runs of a row.
    pub(super) runs: Option<u32>,
}

/// How much of a row is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) epochs: u32,
    pub(super) runs: u32,
}

impl Row {
    /// Fewest runs that mean anything: one member alone is no ensemble.
    fn least(&self) -> u32 {
        if self.kind == Kind::Ensemble { 2 } else { 1 }
    }
}

impl Limits {
    /// Most runs of a row.
    fn most(&self, row: &Row) -> u32 {
        self.runs.unwrap_or(row.runs).clamp(row.least(), row.runs)
    }

    /// As much of a row as its share of the budget allows, where these rows are run: fewer runs first, then fewer
    /// epochs, and never less than one of each, or two members.
    pub(super) fn scale(&self, row: &Row, rows: &[&Row]) -> Scale {
        let all: f64 = rows.iter().map(|row| row.minutes * f64::from(self.most(row))).sum();
        let share = self.minutes.map_or(1.0, |minutes| (minutes * CORES / all).min(1.0));
        let affordable = share * f64::from(self.most(row));
        let runs = (affordable.floor() as u32).clamp(row.least(), self.most(row));
        let epochs = f64::from(row.epochs) * (affordable / f64::from(row.least())).min(1.0);
        Scale { epochs: (epochs.round() as u32).clamp(1, row.epochs), runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> &'static Row {
        ROWS.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn a_budget_takes_runs_first_and_then_epochs() {
        let small = named("mlp-small");
        let scale = |minutes| Limits { minutes, runs: None }.scale(small, &[small]);
        // Five runs of a minute on two cores take two and a half.
        assert_eq!(scale(None), Scale { epochs: 100, runs: 5 });
        assert_eq!(scale(Some(1e6)), Scale { epochs: 100, runs: 5 });
        assert_eq!(scale(Some(1.25)), Scale { epochs: 100, runs: 2 });
        assert_eq!(scale(Some(0.25)), Scale { epochs: 50, runs: 1 });
        assert_eq!(scale(Some(1e-9)), Scale { epochs: 1, runs: 1 });
        let ensemble = named("ensemble");
        // Time for one member, where there must be two.
        let half = Limits { minutes: Some(ensemble.minutes / CORES), runs: None };
        let members = |runs| Limits { runs, ..half }.scale(ensemble, &[ensemble]);
        let short = Scale { epochs: ensemble.epochs / 2, runs: 2 };
        assert_eq!((members(None), members(Some(1))), (short, short));
    }

    #[test]
    fn what_is_not_run_leaves_its_share_to_the_rest() {
        let (small, medium) = (named("mlp-small"), named("mlp-medium"));
        // Time for all runs of the small one, and for two of every five of both.
        let limits = |runs| Limits { minutes: Some(2.5), runs };
        assert_eq!(limits(None).scale(small, &[small, medium]), Scale { epochs: 100, runs: 2 });
        assert_eq!(limits(Some(1)).scale(small, &[small, medium]), Scale { epochs: 100, runs: 1 });
        assert_eq!(limits(Some(9)).scale(small, &[small]), Scale { epochs: 100, runs: 5 });
    }

    #[test]
    fn every_row_has_a_study_file_of_its_name_or_a_search_before_it() {
        for (number, row) in ROWS.iter().enumerate() {
            if let Kind::Retrain(search) = row.kind {
                let before = ROWS[..number].iter().find(|row| row.name == search);
                assert_eq!(before.map(|row| row.kind), Some(Kind::Search), "{}", row.name);
                continue;
            }
            let path = crate::checkout::root().join(format!("docs/paper/{}.yaml", row.name));
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("name: paper-{}\n", row.name)), "{}", row.name);
        }
    }
}
