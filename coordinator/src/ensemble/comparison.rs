//! Members, votes and selections side by side.

use std::collections::BTreeSet;

use common::{ballot::Vote, ids::TrialNumber};

use super::{
    answers::Answers,
    greedy,
    score::{Objective, Score, score},
    temperature, vote,
};

/// One trained model and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its trial.
    pub trial: TrialNumber,
    /// Its answers on the validation part.
    pub validation: Answers,
    /// Its answers on the test part.
    pub test: Answers,
}

/// The true classes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truth {
    /// Of the validation part.
    pub validation: Vec<u8>,
    /// Of the test part.
    pub test: Vec<u8>,
    /// Test samples that are the validation part: what is found on them is contaminated by every choice.
    pub validated: BTreeSet<u32>,
}

impl Truth {
    /// The true classes of test samples that did not validate.
    fn clean(&self) -> Vec<u8> {
        let left = (0..).zip(&self.test).filter(|(sample, _)| !self.validated.contains(sample));
        left.map(|(_, label)| *label).collect()
    }
}

/// How one member or vote does.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// On the validation part.
    pub validation: Score,
    /// On the test part.
    pub test: Score,
    /// The temperature that fits it on the validation part.
    pub temperature: f64,
    /// Loss on the validation and on the test part at that temperature.
    pub scaled_loss: (f64, f64),
    /// On test samples that did not validate, where others did; and the loss there at the temperature.
    pub clean: Option<(Score, f64)>,
}

/// All of them side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The members, in the order in which they came.
    pub members: Vec<(TrialNumber, Entry)>,
    /// Which of them is the best single one, on the validation part.
    pub best_single: usize,
    /// How often the greedy selection picked each.
    pub picks: Vec<u32>,
    /// The votes, in the order of [`Vote::ALL`].
    pub votes: Vec<(Vote, Entry)>,
    /// The vote that the ensemble is.
    pub chosen: Vote,
    /// What it says of the test part, at its temperature.
    pub predictions: Answers,
}

impl Comparison {
    /// The entry of a vote.
    pub fn vote(&self, vote: Vote) -> Option<&Entry> {
        self.votes.iter().find(|(other, _)| *other == vote).map(|(_, entry)| entry)
    }

    /// How often each member counts in the vote that the ensemble is.
    pub fn weights(&self) -> Vec<u32> {
        weights(self.chosen, &self.picks)
    }
}

/// Compares members and votes; none where there is no member. The vote that is asked for is chosen, or else the one
/// that is best on the validation part.
pub fn compare(
    members: &[Member],
    truth: &Truth,
    objective: Objective,
    asked: Option<Vote>,
) -> Option<Comparison> {
    let validation: Vec<&Answers> = members.iter().map(|member| &member.validation).collect();
    let test: Vec<&Answers> = members.iter().map(|member| &member.test).collect();
    let entries: Vec<_> = members.iter().map(|m| (m.trial, entry((&m.validation, &m.test), truth))).collect();
    let better =
        |a: &usize, b: &usize| objective.compare(&entries[*a].1.validation, &entries[*b].1.validation);
    let best_single = (0..entries.len()).min_by(better)?;
    let picks = greedy::select(&validation, &truth.validation, objective);
    let answers = |of: Vote, members: &[&Answers]| vote::together(of, members, &weights(of, &picks));
    let votes = Vote::ALL.map(|of| (of, entry((&answers(of, &validation), &answers(of, &test)), truth)));
    let best = votes.iter().min_by(|a, b| objective.compare(&a.1.validation, &b.1.validation));
    let chosen = asked.or_else(|| best.map(|(vote, _)| *vote))?;
    let fitted = votes.iter().find(|(vote, _)| *vote == chosen).map(|(_, entry)| entry.temperature)?;
    let predictions = temperature::scale(&answers(chosen, &test), fitted);
    Some(Comparison { members: entries, best_single, picks, votes: votes.to_vec(), chosen, predictions })
}

/// How often each member counts in a vote, given how often the greedy selection picked it.
fn weights(vote: Vote, picks: &[u32]) -> Vec<u32> {
    match vote {
        Vote::Greedy => picks.to_vec(),
        Vote::Soft | Vote::Hard => vec![1; picks.len()],
    }
}

/// Measures answers on both parts, as they are and at the temperature that fits them.
fn entry((validation, test): (&Answers, &Answers), truth: &Truth) -> Entry {
    let temperature = temperature::fit(validation, &truth.validation);
    let loss = |answers: &Answers, truth: &[u8]| score(&temperature::scale(answers, temperature), truth).loss;
    let clean = || {
        let (answers, labels) = (test.without(&truth.validated), truth.clean());
        (score(&answers, &labels), loss(&answers, &labels))
    };
    Entry {
        clean: (!truth.validated.is_empty()).then(clean),
        scaled_loss: (loss(validation, &truth.validation), loss(test, &truth.test)),
        validation: score(validation, &truth.validation),
        test: score(test, &truth.test),
        temperature,
    }
}
