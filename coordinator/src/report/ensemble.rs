use common::ids::{StudyName, TrialNumber};
use serde::Serialize;

/// How an ensemble does on the test part, beside its members.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnsembleSummary {
    /// The study that trained its members.
    pub name: String,
    /// Test samples that the figures are on, where others validated and are left out.
    pub clean_samples: Option<u32>,
    /// The member that is best on the validation part, by the answers that it votes with.
    pub best: TrialNumber,
    /// What the vote is called that is best on the validation part: the ensemble, where no other was asked for.
    pub chosen: String,
    /// Its members.
    pub members: Vec<EnsembleMember>,
    /// Its ways to vote.
    pub rows: Vec<EnsembleRow>,
}

/// A member on its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnsembleMember {
    /// The trial.
    pub trial: TrialNumber,
    /// Share of test samples that it classifies correctly.
    pub accuracy: f64,
    /// Its mean cross-entropy over the test samples.
    pub loss: f64,
}

/// A way to vote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnsembleRow {
    /// What it is called, for example `soft vote`.
    pub vote: String,
    /// Share of test samples that the vote classifies correctly.
    pub accuracy: f64,
    /// Mean cross-entropy over the test samples; none where a vote gives no probabilities.
    pub loss: Option<f64>,
    /// The temperature that fits the vote on the validation part.
    pub temperature: f64,
    /// Mean cross-entropy over the test samples at that temperature.
    pub scaled_loss: f64,
}

impl EnsembleSummary {
    /// Whether the ensemble is this study itself.
    pub fn is(&self, study: &StudyName) -> bool {
        self.name == study.as_str()
    }

    /// The member that is best on the validation part: on the test part nothing is chosen.
    pub(super) fn best_member(&self) -> Option<&EnsembleMember> {
        self.members.iter().find(|member| member.trial == self.best)
    }

    /// The vote that is best on the validation part.
    pub(super) fn chosen_vote(&self) -> Option<&EnsembleRow> {
        self.rows.iter().find(|row| row.vote == self.chosen)
    }
}
