//! The mistakes that a model makes most, and of which it is surest.

use serde::Serialize;

use super::{confusion::Confusion, predictions::Predictions};

/// Pairs of classes that are shown.
const PAIRS: usize = 6;

/// Samples that are shown of each.
const EXAMPLES: usize = 8;

/// The most frequent mistakes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Confused {
    pub(super) pairs: Vec<Mistake>,
}

/// A class that is taken for another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Mistake {
    pub(super) label: usize,
    pub(super) predicted: usize,
    pub(super) count: u64,
    /// The surest first.
    pub(super) examples: Vec<Example>,
}

/// A sample that was misclassified.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Example {
    /// Its place in the test part.
    pub(super) index: usize,
    /// The probability of the class that it was taken for.
    pub(super) confidence: f64,
    /// The probability of its own class.
    pub(super) own: f64,
}

impl Confused {
    /// The most frequent mistakes among some predictions.
    pub(super) fn new(predictions: &Predictions<'_>, confusion: &Confusion) -> Self {
        let mistake = |(label, predicted, count)| Mistake {
            label,
            predicted,
            count,
            examples: examples(predictions, label, predicted),
        };
        Self { pairs: confusion.mistakes().into_iter().take(PAIRS).map(mistake).collect() }
    }
}

fn examples(predictions: &Predictions<'_>, label: usize, predicted: usize) -> Vec<Example> {
    let rows = predictions.rows().enumerate();
    let these = rows.filter(|(_, (l, p, _))| (*l, *p) == (label, predicted));
    let example = |(index, (_, _, row)): (usize, (usize, usize, &[f64]))| Example {
        index,
        confidence: row[predicted],
        own: row[label],
    };
    let mut examples: Vec<Example> = these.map(example).collect();
    examples.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.index.cmp(&b.index)));
    examples.truncate(EXAMPLES);
    examples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_surest_mistakes_come_first() {
        let (subject, part) = (fixture::subject(), fixture::test_part());
        let predictions = Predictions::new(&part, &subject).unwrap();
        let confused = Confused::new(&predictions, &Confusion::new(&predictions));
        let found: Vec<_> =
            confused.pairs.iter().map(|pair| (pair.label, pair.predicted, pair.examples[0].index)).collect();
        assert_eq!(found, [(0, 1, 2), (1, 0, 4)]);
    }
}
