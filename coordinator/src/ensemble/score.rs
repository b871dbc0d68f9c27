//! What answers are worth.

use std::cmp::Ordering;

use common::metrics::{Goal, Metric};
use serde::Serialize;

use super::answers::{Answers, likeliest};

/// The least probability that a loss is computed from: the true class may have got none at all in single precision.
pub(super) const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// What answers are worth against the true classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Share of samples whose most likely class is the true one; the first of equals counts.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Unweighted mean of the F1 of classes that are there or predicted, as scikit-learn and reports have it.
    pub macro_f1: f64,
    /// F1 of each class; 0 for a class that is neither there nor predicted.
    pub f1: Vec<f64>,
}

/// What makes one score better than another: the study's objective, then the lower loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objective {
    /// What is measured.
    pub metric: Metric,
    /// Which values are better.
    pub goal: Goal,
}

impl Objective {
    /// The objective's value in a score; of an objective of training, what it is on the part that was scored.
    pub fn value(self, score: &Score) -> f64 {
        match self.metric {
            Metric::ValAccuracy | Metric::TrainAccuracy => score.accuracy,
            Metric::ValLoss | Metric::TrainLoss => score.loss,
            Metric::ValMacroF1 => score.macro_f1,
        }
    }

    /// Orders two scores, the better one first.
    pub fn compare(self, a: &Score, b: &Score) -> Ordering {
        let by_value = self.goal.compare(self.value(a), self.value(b));
        by_value.then(Goal::Minimize.compare(a.loss, b.loss))
    }
}

/// Measures answers against the true classes, added up in the order of samples.
pub fn score(answers: &Answers, truth: &[u8]) -> Score {
    let classes = answers.classes();
    let (mut loss, mut right) = (0.0, 0_u32);
    let (mut hits, mut named) = (vec![0_u32; classes], vec![0_u32; classes]);
    for (row, label) in answers.rows().zip(truth) {
        let (label, best) = (usize::from(*label), likeliest(row));
        loss -= libm::log(row[label].max(LEAST));
        // Once as predicted and once as true: F1 needs their sum alone.
        named[best] += 1;
        named[label] += 1;
        right += u32::from(best == label);
        hits[label] += u32::from(best == label);
    }
    let f1 = |(hits, named): (&u32, &u32)| match named {
        0 => 0.0,
        _ => 2.0 * f64::from(*hits) / f64::from(*named),
    };
    let f1: Vec<f64> = hits.iter().zip(&named).map(f1).collect();
    let samples = truth.len() as f64;
    let occurring = named.iter().filter(|named| **named > 0).count();
    let macro_f1 = f1.iter().sum::<f64>() / occurring.max(1) as f64;
    Score { accuracy: f64::from(right) / samples, loss: loss / samples, macro_f1, f1 }
}
