use common::{
    history::History,
    time::Timestamp,
    view::{BestView, TrialView, WorkerView},
};

use serde::Serialize;

use super::EnsembleSummary;
use crate::ensemble::Answers;

/// What a report is about, as it was gathered.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The study, what it was asked to do, and its best trial.
    pub best: BestView,
    /// Its trials by number.
    pub trials: Vec<TrialView>,
    /// Everything that was measured.
    pub history: History,
    /// Workers that are connected now, for what is known of their devices.
    pub workers: Vec<WorkerView>,
    /// The test part with the predictions of the best trial or, of an ensemble, its vote; or why there is none.
    pub test: Result<TestPart, String>,
    /// An ensemble built from the study, if there is one.
    pub ensemble: Option<EnsembleSummary>,
    /// When, where and by whom the report is made.
    pub occasion: Occasion,
}

/// When, where and by whom a report is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occasion {
    /// When.
    pub at: Timestamp,
    /// The user's name; empty where it is not known.
    pub user: String,
    /// The host's name; empty where it is not known.
    pub host: String,
}

/// A data set's test part and what the study's outcome says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TestPart {
    /// What class 0, class 1, … are called.
    pub classes: Vec<String>,
    /// The samples' classes.
    pub labels: Vec<u32>,
    /// Who answers.
    pub of: Answerer,
    /// The class probabilities, of a trial as they are stored: little-endian f32, samples × classes.
    pub probabilities: Vec<u8>,
    /// The samples as pictures, where they are any.
    pub images: Option<TestImages>,
}

impl TestPart {
    /// The same test part with the answers of an ensemble's vote, at its temperature.
    pub fn voted(self, vote: &Answers) -> Self {
        let bytes = vote.rows().flatten().flat_map(|probability| (*probability as f32).to_le_bytes());
        Self { of: Answerer::Vote, probabilities: bytes.collect(), ..self }
    }
}

/// Who answers for a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answerer {
    /// The best trial.
    BestTrial,
    /// The vote that is chosen of an ensemble, at its temperature.
    Vote,
}

impl Answerer {
    /// Who it is, in a sentence.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::BestTrial => "the best trial",
            Self::Vote => "the ensemble's vote",
        }
    }
}

/// Pictures of equal size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestImages {
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Picture after picture; row by row, and all channels of a pixel together.
    pub pixels: Vec<u8>,
}
