use common::ids::TrialNumber;
use serde::Serialize;

/// How an ensemble does on the test part, beside its members.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnsembleSummary {
    /// The study that trained its members.
    pub name: String,
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
}

impl EnsembleSummary {
    /// The member that classifies most samples correctly; of equal ones the one of the lower loss.
    pub(super) fn best_member(&self) -> Option<&EnsembleMember> {
        self.members.iter().min_by(|a, b| b.accuracy.total_cmp(&a.accuracy).then(a.loss.total_cmp(&b.loss)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_member_is_the_most_accurate_one() {
        let member = |trial, accuracy, loss| EnsembleMember { trial: TrialNumber(trial), accuracy, loss };
        let members = vec![member(0, 0.93, 0.2), member(1, 0.94, 0.3), member(2, 0.94, 0.25)];
        let summary = EnsembleSummary { name: "e".to_owned(), members, rows: Vec::new() };
        assert_eq!(summary.best_member().map(|best| best.trial), Some(TrialNumber(2)));
    }
}
