//! Votes: one distribution from those of several members.

use common::ballot::Vote;

use super::answers::{Answers, likeliest};

/// What members say together by a vote, each counted as often as its weight says; in a hard vote all count once.
///
/// There must be a member whose weight is above 0, and all must have answered the same samples.
pub fn together(vote: Vote, members: &[&Answers], weights: &[u32]) -> Answers {
    match vote {
        Vote::Soft | Vote::Greedy => soft(members, weights),
        Vote::Hard => hard(members),
    }
}

/// The soft vote: the mean of the members' distributions, each counted as often as its weight says.
///
/// There must be a member whose weight is above 0, and all must have answered the same samples.
pub fn soft(members: &[&Answers], weights: &[u32]) -> Answers {
    let mut sums = vec![0.0; members[0].values().len()];
    for (member, weight) in members.iter().zip(weights) {
        add(&mut sums, member, f64::from(*weight));
    }
    let total: u32 = weights.iter().sum();
    mean(members[0].classes(), sums, f64::from(total))
}

/// The hard vote: each member has one vote for its most likely class; ties go to the larger sum of probabilities, then
/// to the lower class.
///
/// Votes alone are no distribution whose loss could be taken: a class that nobody voted for would be impossible. So
/// one more vote is spread as the members' mean distribution, which settles ties and nothing else: one vote outweighs
/// whatever difference it makes.
pub fn hard(members: &[&Answers]) -> Answers {
    let even = soft(members, &vec![1; members.len()]);
    let classes = even.classes();
    let mut sums = even.values().to_vec();
    for member in members {
        for (row, votes) in member.rows().zip(sums.chunks_exact_mut(classes)) {
            votes[likeliest(row)] += 1.0;
        }
    }
    mean(classes, sums, members.len() as f64 + 1.0)
}

/// Adds a member's distributions to a sum.
pub(super) fn add(sums: &mut [f64], member: &Answers, weight: f64) {
    sums.iter_mut().zip(member.values()).for_each(|(sum, p)| *sum += weight * p);
}

/// The mean of so many distributions, given their sum.
pub(super) fn mean(classes: usize, sums: Vec<f64>, count: f64) -> Answers {
    Answers::new(classes, sums.into_iter().map(|sum| sum / count).collect())
}
