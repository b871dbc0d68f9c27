use common::{
    ballot::Vote,
    ids::TrialNumber,
    metrics::{Goal, Metric},
};
use proptest::prelude::*;

use super::*;

const ACCURACY: Objective = Objective { metric: Metric::ValAccuracy, goal: Goal::Maximize };

fn answers(rows: &[[f32; 3]]) -> Answers {
    let bytes: Vec<u8> = rows.iter().flatten().flat_map(|p| p.to_le_bytes()).collect();
    Answers::from_bytes(&bytes, rows.len(), 3).unwrap()
}

fn labels(answers: &Answers) -> Vec<usize> {
    answers.rows().map(answers::likeliest).collect()
}

#[test]
fn stored_probabilities_must_be_those_of_the_samples() {
    let bytes: Vec<u8> = [0.5_f32, 0.5, 0.0].iter().flat_map(|p| p.to_le_bytes()).collect();
    assert!(Answers::from_bytes(&bytes, 1, 3).is_ok());
    let error = Answers::from_bytes(&bytes, 2, 3).unwrap_err().to_string();
    assert_eq!(error, "12 bytes of probabilities are stored, and 2 samples of 3 classes need 24");
    assert!(Answers::from_bytes(&f32::NAN.to_le_bytes(), 1, 1).is_err());
}

/// By hand: predicted 0 1 0 2 against 0 1 1 0, as scikit-learn counts them.
#[test]
fn scores_equal_a_count_by_hand() {
    let rows = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]];
    let found = score(&answers(&rows), &[0, 1, 1, 0]);
    assert_eq!(found.accuracy, 0.5);
    assert!((found.loss - (2.0 * 2f64.ln() + 2.0 * 4f64.ln()) / 4.0).abs() < 1e-12);
    assert_eq!(found.f1, [2.0 / 4.0, 2.0 / 3.0, 0.0]);
    assert!((found.macro_f1 - (0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    assert!(score(&answers(&[[1.0, 0.0, 0.0]]), &[2]).loss.is_finite());
}

#[test]
fn a_class_that_is_neither_there_nor_predicted_is_left_out_of_the_mean() {
    let rows = [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]];
    let found = score(&answers(&rows), &[0, 0, 0]);
    assert_eq!(found.f1, [0.8, 0.0, 0.0]);
    assert!((found.macro_f1 - 0.8 / 2.0).abs() < 1e-12, "{}", found.macro_f1);
}

#[test]
fn votes_equal_a_count_by_hand() {
    let members = [
        answers(&[[0.6, 0.4, 0.0], [0.5, 0.3, 0.2], [0.5, 0.5, 0.0]]),
        answers(&[[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.5, 0.5]]),
        answers(&[[0.0, 1.0, 0.0], [0.2, 0.2, 0.6], [0.5, 0.0, 0.5]]),
    ];
    let members: Vec<&Answers> = members.iter().collect();
    // Two against one; a tie that the sums 0.8, 1.4, 0.8 settle; votes for 0, 1, 0.
    assert_eq!(labels(&vote::hard(&members)), [0, 1, 0]);
    // Sums 1.2 against 1.8; 1.4; three equal sums, of which the lowest class counts.
    let soft = vote::soft(&members, &[1, 1, 1]);
    assert_eq!(labels(&soft), [1, 1, 0]);
    let first: Vec<f64> = soft.rows().next().unwrap().to_vec();
    assert!(first.iter().zip([0.4, 0.6, 0.0]).all(|(p, expected)| (p - expected).abs() < 1e-7), "{first:?}");
    assert_eq!(labels(&vote::soft(&members, &[1, 0, 0])), [0, 0, 0]);
    let row: f64 = vote::hard(&members).rows().next().unwrap().iter().sum();
    assert!((row - 1.0).abs() < 1e-6);
}

/// Members 0 and 1 err on different samples, and together on none; member 2 only does harm.
#[test]
fn greedy_selection_picks_members_that_complete_each_other() {
    let members = [
        answers(&[[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.55, 0.0, 0.45]]),
        answers(&[[0.9, 0.1, 0.0], [0.55, 0.45, 0.0], [0.1, 0.0, 0.9]]),
        answers(&[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    ];
    let members: Vec<&Answers> = members.iter().collect();
    let truth = [0, 1, 2];
    let picks = greedy::select(&members, &truth, ACCURACY);
    assert!(picks[0] > 0 && picks[1] > 0 && picks[2] == 0, "{picks:?}");
    assert_eq!(score(&vote::soft(&members, &picks), &truth).accuracy, 1.0);
}

/// Answers that are right three times in four are best said with a probability of three quarters.
#[test]
fn a_temperature_mends_what_is_too_sure() {
    let sure = answers(&[[0.98, 0.02, 0.0]; 4]);
    let truth = [0, 0, 0, 1];
    let fitted = temperature::fit(&sure, &truth);
    let scaled = temperature::scale(&sure, fitted);
    let first = scaled.rows().next().unwrap();
    assert!(fitted > 3.0 && (first[0] - 0.75).abs() < 1e-3, "{fitted}: {first:?}");
    assert!(score(&scaled, &truth).loss < score(&sure, &truth).loss);
    let timid = answers(&[[0.4, 0.3, 0.3]; 4]);
    assert_eq!(temperature::fit(&timid, &[0; 4]), 0.05);
    assert_eq!(temperature::fit(&timid, &[1; 4]), 20.0);
}

#[test]
fn what_is_no_number_stays_none_at_any_temperature() {
    let scaled = temperature::scale(&Answers::new(2, vec![f64::NAN, f64::NAN, 1.0, 0.0]), 2.0);
    let rows: Vec<&[f64]> = scaled.rows().collect();
    assert!(rows[0].iter().all(|p| p.is_nan()), "{rows:?}");
    assert!(rows[1].iter().all(|p| p.is_finite()), "{rows:?}");
}

#[test]
fn the_choice_is_made_on_validation_and_can_be_asked_for() {
    let member = |trial, validation: &[[f32; 3]], test: &[[f32; 3]]| Member {
        trial: TrialNumber(trial),
        validation: answers(validation),
        test: answers(test),
    };
    let members = [
        member(4, &[[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]], &[[0.1, 0.9, 0.0]]),
        member(7, &[[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], &[[0.8, 0.2, 0.0]]),
    ];
    let truth = Truth { validation: vec![0, 1], test: vec![1], ..Truth::default() };
    let found = compare(&members, &truth, ACCURACY, None).unwrap();
    assert_eq!((found.best_single, found.members[1].1.test.accuracy), (1, 0.0));
    assert_eq!(found.vote(Vote::Soft).unwrap().validation.accuracy, 1.0);
    assert_eq!(found.chosen, Vote::Greedy, "equally accurate, but of the lowest loss");
    let asked = compare(&members, &truth, ACCURACY, Some(Vote::Hard)).unwrap();
    assert_eq!((asked.chosen, &asked.votes), (Vote::Hard, &found.votes));
    assert_eq!(found.votes[0].1.clean, None);
    assert_eq!(compare(&[], &truth, ACCURACY, None), None);
}

/// Of four test samples the first two validated: only the last two are clean, of which one is answered.
#[test]
fn clean_figures_leave_out_what_validated() {
    let rows = [[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75]];
    let member = Member { trial: TrialNumber(0), validation: answers(&rows[..2]), test: answers(&rows) };
    let truth = Truth { validation: vec![0, 1], test: vec![0, 1, 1, 2], validated: [0, 1].into() };
    let found = compare(&[member], &truth, ACCURACY, None).unwrap();
    let entry = found.vote(Vote::Soft).unwrap();
    let (clean, scaled) = entry.clean.clone().unwrap();
    assert_eq!((entry.test.accuracy, clean.accuracy), (0.75, 0.5));
    assert!((clean.loss - -(0.5_f64.ln() + 0.75_f64.ln()) / 2.0).abs() < 1e-12);
    assert!(scaled > 0.0 && (scaled - entry.scaled_loss.1).abs() > 1e-6);
}

/// So many members' answers on so many samples of three classes, and the true classes.
fn library() -> impl Strategy<Value = (Vec<Answers>, Vec<u8>)> {
    (1..6_usize, 1..20_usize).prop_flat_map(|(members, samples)| {
        let row = prop::array::uniform3(0.0_f32..1.0).prop_map(|row| {
            let total = row.iter().sum::<f32>() + 1e-3;
            row.map(|p| (p + 1e-3 / 3.0) / total)
        });
        let member = prop::collection::vec(row, samples).prop_map(|rows| answers(&rows));
        (prop::collection::vec(member, members), prop::collection::vec(0..3_u8, samples))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_soft_vote_of_identical_members_is_the_member((members, _) in library(), count in 1..16_usize) {
        let same = vec![&members[0]; count];
        prop_assert_eq!(&vote::soft(&same, &vec![1; count]), &members[0]);
        prop_assert_eq!(labels(&vote::hard(&same)), labels(&members[0]));
    }

    #[test]
    fn greedy_selection_is_never_worse_than_the_best_single((members, truth) in library()) {
        let members: Vec<&Answers> = members.iter().collect();
        for metric in [Metric::ValAccuracy, Metric::ValLoss, Metric::ValMacroF1] {
            let objective = Objective { metric, goal: metric.natural_goal() };
            let picks = greedy::select(&members, &truth, objective);
            let selected = score(&vote::soft(&members, &picks), &truth);
            for member in &members {
                let single = objective.value(&score(member, &truth));
                prop_assert!(objective.goal.compare(objective.value(&selected), single).is_le() ||
                    (objective.value(&selected) - single).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_fitted_temperature_is_never_worse_than_none((members, truth) in library()) {
        let answers = &members[0];
        let scaled = temperature::scale(answers, temperature::fit(answers, &truth));
        prop_assert!(score(&scaled, &truth).loss <= score(answers, &truth).loss + 1e-6);
    }

    /// Majority, then summed probability, then the lower class, counted the long way round.
    #[test]
    fn a_hard_vote_is_the_majority((members, _) in library()) {
        let members: Vec<&Answers> = members.iter().collect();
        let found = labels(&vote::hard(&members));
        for (sample, found) in found.into_iter().enumerate() {
            let rows: Vec<&[f64]> = members.iter().map(|m| m.rows().nth(sample).unwrap()).collect();
            let count = |class: usize| rows.iter().filter(|row| answers::likeliest(row) == class).count();
            let sum = |class: usize| rows.iter().map(|row| row[class]).sum::<f64>();
            let most = (0..3).map(count).max().unwrap();
            prop_assert_eq!(count(found), most);
            let tied = (0..3).filter(|class| count(*class) == most).map(sum);
            prop_assert!(tied.into_iter().all(|other| sum(found) >= other - 1e-9));
        }
    }
}
