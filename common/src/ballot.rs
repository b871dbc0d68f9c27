//! `ensemble.json`: who votes in an ensemble, and how.

use serde::{Deserialize, Serialize};

use crate::ids::{StudyName, TrialNumber};

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
    /// Nobody votes, or somebody who does not count.
    #[error("`voters` must have a member, and each a `weight` of at least 1")]
    Voters,
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
        if ballot.voters.is_empty() || ballot.voters.iter().any(|voter| voter.weight == 0) {
            return Err(InvalidBallot::Voters);
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
            (r#""weight":2"#, r#""weight":0"#, "`weight` of at least 1"),
            (r#"{"trial":3,"weight":2}"#, "", "must have a member"),
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
