use serde::Serialize;

use super::super::trained::Answer;

/// What answers are worth, all samples and class by class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Scores {
    pub(super) samples: u64,
    /// Share of samples whose most likely class is the true one.
    pub(super) accuracy: f64,
    /// Mean cross-entropy.
    pub(super) loss: f64,
    /// Unweighted mean of the classes' F1.
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
            let said = answer.class();
            loss -= f64::from(answer.log_probabilities[truth]);
            right += u64::from(said == truth);
            counts[truth][0] += u64::from(said == truth);
            counts[said][1] += 1;
            counts[truth][2] += 1;
        }
        let samples = truth.len() as u64;
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
            macro_f1: classes.iter().map(|class| class.f1).sum::<f64>() / classes.len() as f64,
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

    #[test]
    fn scores_equal_a_count_by_hand() {
        let answer =
            |values: [f32; 3]| Answer { logits: Vec::new(), log_probabilities: values.map(f32::ln).to_vec() };
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
}
