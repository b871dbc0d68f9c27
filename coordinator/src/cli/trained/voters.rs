//! The members of an ensemble, which answer by their vote.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use common::ballot::{Ballot, Voter};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::TempDir;

use super::{
    super::{failure::Failure, text::plural},
    Answer, TrainedModel,
};
use crate::ensemble::{Answers, temperature, vote};

/// The members that vote, with their models.
#[derive(Debug)]
pub(in crate::cli) struct Voters {
    /// Who they are, and how they vote.
    ballot: Ballot,
    /// Their models, in the order of the ballot; there is one, and all take the same samples.
    members: Vec<TrainedModel>,
    folder: PathBuf,
    /// Deleted with the value, where the ensemble came out of a study.
    _temporary: Option<TempDir>,
}

impl Voters {
    /// Whether a folder is an ensemble's.
    pub(super) fn are_in(folder: &Path) -> bool {
        folder.join(Ballot::FILE).exists()
    }

    /// The ensemble in a folder.
    pub(super) fn read(folder: &Path, temporary: Option<TempDir>) -> Result<Self, Failure> {
        let path = folder.join(Ballot::FILE);
        let bad = |error: String| {
            Failure::bad_input(format!("{}: {error}", path.display())).help(
                "`rung ensemble ENSEMBLE --out DIR` writes the folder, and again where an older Rung did",
            )
        };
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        let ballot = Ballot::from_json(&text).map_err(|error| bad(error.to_string()))?;
        let read = |voter: &Voter| TrainedModel::read(&folder.join(voter.folder()), None);
        let members: Vec<TrainedModel> = ballot.voters.iter().map(read).collect::<Result<_, _>>()?;
        let mut stated = ballot.voters.iter().zip(&members);
        if let Some((voter, stray)) = stated.find(|(voter, member)| {
            (member.file.trial, &member.file.study) != (voter.trial, &ballot.ensemble)
        }) {
            let (trial, study) = (stray.file.trial, &stray.file.study);
            return Err(bad(format!("{} holds trial {trial} of {study}", voter.folder())));
        }
        let differs = |member: &&TrainedModel| !member.takes_what(&members[0]);
        if let Some(stray) = members.iter().find(differs) {
            let (first, other) = (members[0].file.trial, stray.file.trial);
            return Err(bad(format!(
                "members {first} and {other} take different samples or name other classes"
            )));
        }
        Ok(Self { ballot, members, folder: folder.to_owned(), _temporary: temporary })
    }

    /// The first member.
    pub(super) fn first(&self) -> &TrainedModel {
        &self.members[0]
    }

    /// Who votes, and how.
    pub(in crate::cli) fn ballot(&self) -> &Ballot {
        &self.ballot
    }

    /// The voters with their models.
    pub(in crate::cli) fn members(&self) -> impl Iterator<Item = (&Voter, &TrainedModel)> {
        self.ballot.voters.iter().zip(&self.members)
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The text of ensemble.json.
    pub(in crate::cli) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        Ok(fs::read(self.folder.join(Ballot::FILE))?)
    }

    /// What the vote is called.
    pub(super) fn name(&self) -> String {
        let (vote, members) = (self.ballot.vote.name(), self.members.len());
        format!("{vote} of {} of {}", plural(members as u64, "member"), self.ballot.ensemble)
    }

    /// How many members are asked at a time: as many as there are cores for. A device that is not the CPU has room for one,
    /// for all that is known here.
    fn at_once(&self, device: &str) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = self.first().file.train.threads.max(1) as usize;
        if device == "cpu" { (cores / threads).max(1) } else { 1 }
    }

    /// The vote's answers to samples, at its temperature.
    pub(super) async fn ask(&self, samples: &[f32], device: &str) -> Result<Vec<Answer>, Failure> {
        let asked = self.members.iter().map(|member| member.ask(samples, device));
        let said: Vec<Vec<Answer>> = stream::iter(asked).buffered(self.at_once(device)).try_collect().await?;
        if let Some(short) = said.iter().find(|answers| answers.len() != said[0].len()) {
            let (one, other) = (said[0].len(), short.len());
            return Err(Failure::failed(format!("members answered {one} and {other} of the same samples")));
        }
        let classes = self.first().architecture.shape.classes as usize;
        let said: Vec<Answers> = said.iter().map(|answers| distributions(classes, answers)).collect();
        let weights: Vec<u32> = self.ballot.voters.iter().map(|voter| voter.weight).collect();
        let votes = vote::together(self.ballot.vote, &said.iter().collect::<Vec<_>>(), &weights);
        let answers = temperature::scale(&votes, self.ballot.temperature);
        Ok(answers.rows().map(answer).collect())
    }
}

/// A model's answers as distributions.
fn distributions(classes: usize, answers: &[Answer]) -> Answers {
    Answers::new(classes, answers.iter().flat_map(Answer::probabilities).collect())
}

/// A distribution as an answer, which has no logits; what is no number stays none.
fn answer(row: &[f64]) -> Answer {
    let least = f64::from(f32::MIN_POSITIVE);
    let log_probabilities = row.iter().map(|p| p.clamp(least, f64::INFINITY).ln() as f32).collect();
    Answer { logits: Vec::new(), log_probabilities }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_that_is_no_number_stays_none() {
        assert_eq!(answer(&[f64::NAN, f64::NAN]).likeliest(), None);
        assert_eq!(answer(&[0.0, 1.0]).likeliest(), Some(1));
    }
}
