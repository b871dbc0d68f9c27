//! A study's report: one page for people, the same numbers as JSON and CSV, the pictures as SVG.
//!
//! A [`Subject`] is everything that was gathered; [`Report::new`] turns it into numbers, and computes nothing that
//! was not measured; `page` and `picture` show them. [`Report::files`] is all of it as files, in memory: whoever
//! writes them decides where. Nothing here reads a file, a socket or a clock.

mod subject;

mod section;

mod header;

mod board;

mod learning;

mod configuration;

mod progress;

mod importance;

mod predictions;

mod confusion;

mod classification;

mod calibration;

mod confused;

mod ensemble;

mod picture;

mod charts;

mod page;

mod tables;

mod files;

#[cfg(test)]
mod fixture;

pub use ensemble::{EnsembleMember, EnsembleRow, EnsembleSummary};
pub use predictions::PredictionsError;
pub use subject::{Occasion, Subject, TestImages, TestPart};

use serde::Serialize;

use board::Board;
use calibration::Calibration;
use classification::Classification;
use configuration::Configuration;
use confused::Confused;
use confusion::Confusion;
use header::Header;
use importance::Importance;
use learning::TopTrial;
use predictions::Predictions;
use progress::Step;
use section::Section;

/// What is said about a study: `report.json` is its serialisation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    header: Header,
    board: Board,
    /// The best trial first.
    top: Vec<TopTrial>,
    best_so_far: Vec<Step>,
    /// All trials, as the parallel coordinates show them.
    trials: Vec<Configuration>,
    importance: Section<Importance>,
    test_part: Section<TestReport>,
    ensemble: Option<EnsembleSummary>,
}

/// How the best trial does on the test part, class by class.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct TestReport {
    samples: usize,
    classes: Vec<String>,
    accuracy: f64,
    log_loss: f64,
    confusion: Confusion,
    classification: Classification,
    calibration: Calibration,
    confused: Confused,
}

impl Report {
    /// The report on a subject; fails where the class probabilities are not those of its test part.
    pub fn new(subject: &Subject) -> Result<Self, PredictionsError> {
        let test_part = match &subject.test {
            Ok(part) => Section::Present(TestReport::new(&Predictions::new(part, subject)?)),
            Err(reason) => Section::Missing { missing: reason.clone() },
        };
        Ok(Self {
            header: Header::new(subject),
            board: Board::new(subject),
            top: learning::top(subject),
            best_so_far: progress::best_so_far(subject),
            trials: subject.trials.iter().map(Configuration::new).collect(),
            importance: Importance::new(subject).into(),
            test_part,
            ensemble: subject.ensemble.clone(),
        })
    }
}

impl TestReport {
    fn new(predictions: &Predictions<'_>) -> Self {
        let confusion = Confusion::new(predictions);
        Self {
            samples: predictions.len(),
            classes: predictions.part.classes.clone(),
            accuracy: predictions.accuracy(),
            log_loss: predictions.log_loss(),
            classification: Classification::new(&confusion, &predictions.part.classes),
            calibration: Calibration::new(predictions),
            confused: Confused::new(predictions, &confusion),
            confusion,
        }
    }
}
