use serde::Serialize;

use super::predictions::Predictions;

/// How often each class was taken for each: rows are the true classes, columns the predicted ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Confusion {
    pub(super) counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// The confusion of some predictions.
    pub(super) fn new(predictions: &Predictions<'_>) -> Self {
        let classes = predictions.part.classes.len();
        let mut counts = vec![vec![0; classes]; classes];
        for (label, predicted, _) in predictions.rows() {
            counts[label][predicted] += 1;
        }
        Self { counts }
    }

    /// Samples of a class.
    pub(super) fn of_class(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// Samples that were taken for a class.
    pub(super) fn taken_for(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// Pairs of a true class and another that it was taken for, the most frequent first.
    pub(super) fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let mut pairs = Vec::new();
        for (label, row) in self.counts.iter().enumerate() {
            let wrong =
                row.iter().enumerate().filter(|(predicted, count)| *predicted != label && **count > 0);
            pairs.extend(wrong.map(|(predicted, count)| (label, predicted, *count)));
        }
        pairs.sort_by_key(|(label, predicted, count)| (std::cmp::Reverse(*count), *label, *predicted));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn rows_are_true_classes_and_columns_predicted_ones() {
        let (subject, part) = (fixture::subject(), fixture::test_part());
        let confusion = Confusion::new(&Predictions::new(&part, &subject).unwrap());
        assert_eq!(confusion.counts, [vec![1, 1, 0], vec![1, 1, 0], vec![0, 0, 2]]);
        assert_eq!((confusion.of_class(0), confusion.taken_for(2)), (2, 2));
        assert_eq!(confusion.mistakes(), [(0, 1, 1), (1, 0, 1)]);
    }
}
