use common::study::Split;

use super::{Answerer, Subject, TestPart};
use crate::ensemble::Answers;

/// How far a recorded accuracy may be from the one of the stored probabilities: a tie or two, no more.
const TOLERANCE: f64 = 5e-4;

/// What the best trial, or a vote, says of the test part: checked, and as numbers.
#[derive(Debug, Clone)]
pub(super) struct Predictions<'a> {
    pub(super) part: &'a TestPart,
    /// Probabilities, samples × classes.
    values: Vec<f64>,
    /// The likeliest class of each sample; of equal ones the first.
    pub(super) predicted: Vec<usize>,
}

/// Why class probabilities are not what they should be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PredictionsError {
    /// Their number is not the test part's.
    #[error(
        "the study's {found} stored class probabilities are not {samples} test samples of {classes} classes: the data \
         set here is not the one that it was evaluated on"
    )]
    Shape {
        /// How many there are.
        found: usize,
        /// Samples of the test part.
        samples: usize,
        /// Classes of the data set.
        classes: usize,
    },
    /// A sample's probabilities are no distribution.
    #[error("the stored class probabilities of test sample {sample} are no probabilities: they sum to {sum}")]
    NoDistribution {
        /// Which sample.
        sample: usize,
        /// What its probabilities sum to.
        sum: f64,
    },
    /// A label has no class.
    #[error("test sample {sample} has label {label}, but there are {classes} classes")]
    Label {
        /// Which sample.
        sample: usize,
        /// Its label.
        label: u32,
        /// Classes of the data set.
        classes: usize,
    },
    /// They score otherwise than the study recorded.
    #[error(
        "the stored class probabilities score {computed:.4} on the test samples here, but the study recorded \
         {recorded:.4}: the data set here is not the one that it was evaluated on"
    )]
    Accuracy {
        /// Their accuracy.
        computed: f64,
        /// The study's.
        recorded: f64,
    },
}

impl<'a> Predictions<'a> {
    /// The predictions for a test part.
    pub(super) fn new(part: &'a TestPart, subject: &Subject) -> Result<Self, PredictionsError> {
        let (samples, classes) = (part.labels.len(), part.classes.len());
        let (cells, rest) = part.probabilities.as_chunks::<4>();
        if cells.len() != samples * classes || !rest.is_empty() || cells.is_empty() {
            return Err(PredictionsError::Shape { found: cells.len(), samples, classes });
        }
        let values: Vec<f64> = cells.iter().map(|cell| f64::from(f32::from_le_bytes(*cell))).collect();
        for (sample, row) in values.chunks(classes).enumerate() {
            let sum: f64 = row.iter().sum();
            if (sum - 1.0).abs() > 1e-3 || row.iter().any(|value| !(0.0..=1.001).contains(value)) {
                return Err(PredictionsError::NoDistribution { sample, sum });
            }
        }
        if let Some((sample, label)) = part.labels.iter().enumerate().find(|(_, l)| **l as usize >= classes) {
            return Err(PredictionsError::Label { sample, label: *label, classes });
        }
        let predicted = values.chunks(classes).map(likeliest).collect();
        let predictions = Self { part, values, predicted };
        let computed = predictions.accuracy();
        // Under another split a study may record what it scores on a part of the test samples; of a vote it records nothing.
        let recorded = subject.best.spec.data.split == Split::Holdout && part.of == Answerer::BestTrial;
        match subject.best.study.test {
            Some(test) if recorded && (test.accuracy - computed).abs() > TOLERANCE => {
                Err(PredictionsError::Accuracy { computed, recorded: test.accuracy })
            }
            _ => Ok(predictions),
        }
    }

    /// How many samples there are: at least one.
    pub(super) fn len(&self) -> usize {
        self.predicted.len()
    }

    /// Each sample's class, likeliest class and probabilities.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, usize, &[f64])> {
        let labels = self.part.labels.iter().map(|label| *label as usize);
        let rows = self.values.chunks(self.part.classes.len());
        labels.zip(&self.predicted).zip(rows).map(|((label, predicted), row)| (label, *predicted, row))
    }

    /// The probabilities as ensembles have them.
    pub(super) fn answers(&self) -> Answers {
        Answers::new(self.part.classes.len(), self.values.clone())
    }

    /// Each sample's class; a class is below the number of classes, which a byte counts.
    pub(super) fn truth(&self) -> Vec<u8> {
        self.part.labels.iter().map(|label| *label as u8).collect()
    }

    /// Share of samples whose likeliest class is right.
    pub(super) fn accuracy(&self) -> f64 {
        let right = self.rows().filter(|(label, predicted, _)| label == predicted).count();
        right as f64 / self.len() as f64
    }

    /// Mean negative logarithm of the right class's probability.
    pub(super) fn log_loss(&self) -> f64 {
        self.rows().map(|(label, _, row)| surprise(row[label])).sum::<f64>() / self.len() as f64
    }
}

/// The negative logarithm of a probability, kept finite as scikit-learn's `log_loss` keeps it: within machine epsilon
/// of 0 and 1.
pub(super) fn surprise(probability: f64) -> f64 {
    -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

fn likeliest(row: &[f64]) -> usize {
    let mut best = 0;
    for (class, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn accuracy_and_log_loss_are_those_of_the_probabilities() {
        let subject = fixture::subject();
        let part = fixture::test_part();
        let predictions = Predictions::new(&part, &subject).unwrap();
        assert_eq!(predictions.predicted, [0, 1, 1, 2, 0, 2]);
        assert!((predictions.accuracy() - 4.0 / 6.0).abs() < 1e-12);
        let expected =
            -[0.8_f64, 0.6, 0.3, 0.9, 0.25, 0.7].map(|p| f64::from(p as f32).ln()).iter().sum::<f64>() / 6.0;
        assert!((predictions.log_loss() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_votes_answers_are_measured_as_they_are() {
        // The study recorded what its best trial scores, which is another thing.
        let vote = Answers::new(3, [[0.0, 0.25, 0.75]; 6].concat());
        let part = fixture::test_part().voted(&vote);
        let subject = fixture::subject();
        let predictions = Predictions::new(&part, &subject).unwrap();
        assert_eq!((predictions.predicted.clone(), predictions.accuracy()), (vec![2; 6], 2.0 / 6.0));
        let part = TestPart { of: Answerer::BestTrial, ..part };
        assert!(matches!(Predictions::new(&part, &subject), Err(PredictionsError::Accuracy { .. })));
    }

    #[test]
    fn other_data_than_was_evaluated_is_refused() {
        let subject = fixture::subject();
        let mut part = fixture::test_part();
        part.labels.reverse();
        assert!(matches!(Predictions::new(&part, &subject), Err(PredictionsError::Accuracy { .. })));
        part.labels.push(0);
        assert!(matches!(
            Predictions::new(&part, &subject),
            Err(PredictionsError::Shape { found: 18, samples: 7, classes: 3 })
        ));
        let mut part = fixture::test_part();
        part.labels[0] = 3;
        assert!(matches!(Predictions::new(&part, &subject), Err(PredictionsError::Label { label: 3, .. })));
        part.probabilities[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(
            Predictions::new(&part, &subject),
            Err(PredictionsError::NoDistribution { sample: 0, .. })
        ));
    }
}
