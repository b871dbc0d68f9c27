use serde::Serialize;

use super::super::trained::Answer;

/// What answers are worth, all samples and class by class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Scores {
    pub(super) samples: u64,
    /// Share of samples whose most likely class is the true one; an answer that is no number is wrong.
    pub(super) accuracy: f64,
    /// Mean cross-entropy.
    pub(super) loss: f64,
    /// Unweighted mean of the F1 of classes that are there or answered, as scikit-learn and reports have it.
    pub(super) macro_f1: f64,
    pub(super) classes: Vec<ClassScores>,
}

/// What answers are worth for one class; a share of nothing is 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ClassScores {
    /// The class's number.
    pub(super) label: usize,
    /// Its name.
    pub(super) class: String,
    /// Share of the samples answered with this class that are of it.
    pub(super) precision: f64,
    /// Share of this class's samples that are answered with it.
    pub(super) recall: f64,
    /// Harmonic mean of both.
    pub(super) f1: f64,
    /// Samples of this class.
    pub(super) support: u64,
}

impl Scores {
    /// Compares answers with the true classes, in the order of samples, as a study's evaluation does.
    pub(super) fn of(answers: &[Answer], truth: &[usize], class: &impl Fn(usize) -> String) -> Self {
        let classes = answers.first().map_or(0, |answer| answer.log_probabilities.len());
        let mut counts = vec![[0u64; 3]; classes];
        let (mut loss, mut right) = (0.0, 0u64);
        for (answer, truth) in answers.iter().zip(truth.iter().copied()) {
            loss -= f64::from(answer.log_probabilities[truth]);
            counts[truth][2] += 1;
            let Some(said) = answer.likeliest() else { continue };
            counts[said][1] += 1;
            right += u64::from(said == truth);
            counts[truth][0] += u64::from(said == truth);
        }
        let samples = truth.len() as u64;
        let occurring = counts.iter().filter(|[_, answered, support]| answered + support > 0).count();
        let classes: Vec<ClassScores> = counts
            .into_iter()
            .enumerate()
            .map(|(label, [hits, answered, support])| ClassScores {
                label,
                class: class(label),
                precision: share(hits, answered),
                recall: share(hits, support),
                f1: share(2 * hits, answered + support),
                support,
            })
            .collect();
        Self {
            samples,
            accuracy: share(right, samples),
            loss: loss / samples as f64,
            macro_f1: classes.iter().map(|class| class.f1).sum::<f64>() / occurring.max(1) as f64,
            classes,
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(probabilities: [f32; 3]) -> Answer {
        Answer { logits: Vec::new(), log_probabilities: probabilities.map(f32::ln).to_vec() }
    }

    #[test]
    fn scores_equal_a_count_by_hand() {
        let answers =
            [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]].map(answer);
        let scores = Scores::of(&answers, &[0, 1, 1, 0], &|label| label.to_string());
        assert_eq!((scores.samples, scores.accuracy), (4, 0.5));
        assert!((scores.loss - (2.0 * 2f64.ln() + 2.0 * 4f64.ln()) / 4.0).abs() < 1e-7);
        let rows: Vec<_> =
            scores.classes.iter().map(|row| (row.precision, row.recall, row.support)).collect();
        assert_eq!(rows, [(0.5, 0.5, 2), (1.0, 0.5, 2), (0.0, 0.0, 0)]);
        assert!((scores.classes[1].f1 - 2.0 / 3.0).abs() < 1e-12);
        assert!((scores.macro_f1 - (0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_number_is_wrong_and_answers_no_class() {
        let answers = [[f32::NAN; 3], [0.5, 0.25, 0.25]].map(answer);
        let scores = Scores::of(&answers, &[0, 0], &|label| label.to_string());
        assert_eq!(scores.accuracy, 0.5);
        assert!(scores.loss.is_nan());
        assert_eq!((scores.classes[0].precision, scores.classes[0].recall), (1.0, 0.5));
    }

    #[test]
    fn a_class_that_is_neither_there_nor_answered_is_left_out_of_the_mean() {
        let answers = [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]].map(answer);
        let scores = Scores::of(&answers, &[0, 0, 0], &|label| label.to_string());
        assert_eq!(scores.classes[2].f1, 0.0);
        assert!((scores.macro_f1 - 0.8 / 2.0).abs() < 1e-12, "{}", scores.macro_f1);
    }
}
