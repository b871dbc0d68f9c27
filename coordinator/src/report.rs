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

mod colours;

mod picture;

mod charts;

mod page;

mod tables;

mod files;

#[cfg(test)]
mod fixture;

pub use ensemble::{EnsembleMember, EnsembleRow, EnsembleSummary};
pub use predictions::PredictionsError;
pub use subject::{Answerer, Occasion, Subject, TestImages, TestPart};

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
    /// All trials: what each tried, and what came of it.
    trials: Vec<Configuration>,
    importance: Section<Importance>,
    test_part: Section<TestReport>,
    ensemble: Option<EnsembleSummary>,
}

/// How the best trial or an ensemble's vote does on the test part, class by class.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct TestReport {
    /// Whose predictions these are.
    of: Answerer,
    samples: usize,
    /// Samples of these that validated, with `split: paper`: all figures here are contaminated by them.
    validated: usize,
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
        Ok(Self {
            header: Header::new(subject),
            board: Board::new(subject),
            top: learning::top(subject),
            best_so_far: progress::best_so_far(subject),
            trials: subject.trials.iter().map(Configuration::new).collect(),
            importance: Importance::new(subject).into(),
            test_part: test_part(subject)?,
            ensemble: subject.ensemble.clone(),
        })
    }

    /// The study as an ensemble, and the vote that it is; none where it is none.
    fn vote(&self) -> Option<(&EnsembleSummary, &EnsembleRow)> {
        let own = self.ensemble.as_ref().filter(|ensemble| ensemble.is(&self.header.study))?;
        Some((own, own.chosen_vote()?))
    }
}

/// How the best trial or a vote does class by class; without it the rest of a report stands.
fn test_part(subject: &Subject) -> Result<Section<TestReport>, PredictionsError> {
    let missing = |missing| Ok(Section::Missing { missing });
    match subject.test.as_ref().map(|part| Predictions::new(part, subject)) {
        Ok(Ok(predictions)) => Ok(Section::Present(TestReport::new(&predictions, subject))),
        // The model's numbers overflow on a sample, which says nothing against the data set here.
        Ok(Err(error @ PredictionsError::NoDistribution { .. })) => missing(error.to_string()),
        Ok(Err(error)) => Err(error),
        Err(reason) => missing(reason.clone()),
    }
}

impl TestReport {
    fn new(predictions: &Predictions<'_>, subject: &Subject) -> Self {
        let confusion = Confusion::new(predictions);
        let clean = subject.best.study.test.and_then(|test| test.clean);
        Self {
            of: predictions.part.of,
            samples: predictions.len(),
            validated: clean.map_or(0, |clean| predictions.len().saturating_sub(clean.samples as usize)),
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
