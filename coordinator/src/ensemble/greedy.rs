//! Greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models", ICML 2004).

use super::{
    answers::Answers,
    score::{Objective, Score, score},
    vote::{add, mean},
};

/// Members that are picked at most, one of them perhaps several times.
const PICKS: u32 = 50;

/// How often each member is picked: in each round the one whose addition makes the soft vote best on these samples;
/// of all rounds the first that is best counts. Never worse there than the best member alone, which is the first pick.
///
/// Equal members are picked in their order. There must be one.
pub fn select(members: &[&Answers], truth: &[u8], objective: Objective) -> Vec<u32> {
    let mut sums = vec![0.0; members[0].values().len()];
    let mut picks = vec![0; members.len()];
    let mut best: Option<(Score, Vec<u32>)> = None;
    for round in 1..=PICKS {
        let candidate = |index: usize| {
            let mut sums = sums.clone();
            add(&mut sums, members[index], 1.0);
            (index, score(&mean(members[index].classes(), sums, f64::from(round)), truth))
        };
        let candidates = (0..members.len()).map(candidate);
        let Some((index, found)) = candidates.min_by(|a, b| objective.compare(&a.1, &b.1)) else { break };
        add(&mut sums, members[index], 1.0);
        picks[index] += 1;
        if best.as_ref().is_none_or(|(leader, _)| objective.compare(&found, leader).is_lt()) {
            best = Some((found, picks.clone()));
        }
    }
    best.map(|(_, picks)| picks).unwrap_or(picks)
}
