//! `ensemble.json`: who votes in an ensemble, and how.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{StudyName, TrialNumber};

/// The largest weight that is read: far more than any selection gives, and far from where sums run over.
const MOST_WEIGHT: u32 = 1000;

/// How members are made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// The mean of their distributions.
    Soft,
    /// The mean of those that a greedy selection picked.
    Greedy,
    /// One vote each.
    Hard,
}

impl Vote {
    /// All votes; of equally good ones the first is chosen.
    pub const ALL: [Self; 3] = [Self::Soft, Self::Greedy, Self::Hard];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Soft => "soft vote",
            Self::Greedy => "greedy vote",
            Self::Hard => "hard vote",
        }
    }
}

/// What an ensemble's folder says of its vote: all that new samples need beside the members' models. `ensemble.json`
/// tells more, which is not read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ballot {
    /// The ensemble's study.
    pub ensemble: StudyName,
    /// How its members' distributions become one.
    pub vote: Vote,
    /// The temperature that fits the vote, above 0.
    pub temperature: f64,
    /// The members that count, at least one.
    pub voters: Vec<Voter>,
}

/// A member that votes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// Its trial.
    pub trial: TrialNumber,
    /// How often it counts, at least once.
    pub weight: u32,
}

/// A ballot by which nobody can vote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBallot {
    /// The text is none.
    #[error("{0}")]
    Json(String),
    /// Nobody votes, somebody does not count, or somebody votes twice.
    #[error("`voters` must name a member or more, each once, with a `weight` from 1 to {MOST_WEIGHT}")]
    Voters,
    /// Some have more than their vote.
    #[error("in a hard vote every `weight` is 1")]
    Hard,
    /// There is no such temperature.
    #[error("`temperature` must be above 0")]
    Temperature,
}

impl Ballot {
    /// The file's name in an ensemble's folder.
    pub const FILE: &str = "ensemble.json";

    /// A ballot from the file's text.
    pub fn from_json(text: &str) -> Result<Self, InvalidBallot> {
        let ballot: Self =
            serde_json::from_str(text).map_err(|error| InvalidBallot::Json(error.to_string()))?;
        let weights = || ballot.voters.iter().map(|voter| voter.weight);
        let trials: BTreeSet<TrialNumber> = ballot.voters.iter().map(|voter| voter.trial).collect();
        let each_once = !trials.is_empty() && trials.len() == ballot.voters.len();
        if !each_once || weights().any(|weight| !(1..=MOST_WEIGHT).contains(&weight)) {
            return Err(InvalidBallot::Voters);
        }
        if ballot.vote == Vote::Hard && weights().any(|weight| weight != 1) {
            return Err(InvalidBallot::Hard);
        }
        if !(ballot.temperature > 0.0 && ballot.temperature.is_finite()) {
            return Err(InvalidBallot::Temperature);
        }
        Ok(ballot)
    }
}

impl Voter {
    /// The folder of the member's model, below the ensemble's.
    pub fn folder(&self) -> String {
        Self::folder_of(self.trial)
    }

    /// The folder of a trial's model, below the ensemble's.
    pub fn folder_of(trial: TrialNumber) -> String {
        format!("member-{trial}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"ensemble":"a-ensemble","vote":"greedy","temperature":0.5,"voters":[{"trial":3,"weight":2}],"rows":[]}"#;

    #[test]
    fn what_else_the_file_tells_is_left_alone() {
        let ballot = Ballot::from_json(TEXT).unwrap();
        assert_eq!((ballot.vote.name(), ballot.voters[0].folder().as_str()), ("greedy vote", "member-3"));
        assert_eq!(Ballot::from_json(&serde_json::to_string(&ballot).unwrap()), Ok(ballot));
    }

    #[test]
    fn a_ballot_without_a_vote_is_refused() {
        for (right, wrong, says) in [
            (r#""weight":2"#, r#""weight":0"#, "`weight` from 1 to 1000"),
            (r#""weight":2"#, r#""weight":1001"#, "`weight` from 1 to 1000"),
            (r#""weight":2}"#, r#""weight":2},{"trial":3,"weight":1}"#, "each once"),
            (r#"{"trial":3,"weight":2}"#, "", "a member or more"),
            ("greedy", "hard", "in a hard vote every `weight` is 1"),
            ("0.5", "0.0", "`temperature` must be above 0"),
            ("0.5", "-1", "`temperature` must be above 0"),
            ("greedy", "loud", "unknown variant `loud`"),
            (r#""voters""#, r#""members""#, "missing field `voters`"),
        ] {
            let said = Ballot::from_json(&TEXT.replace(right, wrong)).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
    }
}
