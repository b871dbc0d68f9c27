//! Metrics from class probabilities, added up in double precision in the order of samples.

/// What predictions are worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Mean cross-entropy.
    pub(super) loss: f64,
    /// Share of samples whose most likely class is the true one: the first of equals, and none where an answer is no
    /// number.
    pub(super) accuracy: f64,
    /// Unweighted mean of the F1 of all classes; a class that is neither there nor predicted counts 0.
    pub(super) macro_f1: f64,
}

/// Measures log-probabilities, samples × classes, against the true classes.
pub(super) fn measure(log_probabilities: &[f32], truth: &[u8], classes: usize) -> Measured {
    let (mut loss, mut right) = (0.0, 0u64);
    let (mut hits, mut predicted, mut actual) =
        (vec![0u64; classes], vec![0u64; classes], vec![0u64; classes]);
    for (row, label) in log_probabilities.chunks_exact(classes).zip(truth) {
        let label = usize::from(*label);
        loss -= f64::from(row[label]);
        actual[label] += 1;
        let Some(best) = likeliest(row) else { continue };
        predicted[best] += 1;
        if best == label {
            right += 1;
            hits[label] += 1;
        }
    }
    let f1 = |class: usize| {
        let both = predicted[class] + actual[class];
        if both == 0 { 0.0 } else { 2.0 * hits[class] as f64 / both as f64 }
    };
    let samples = truth.len() as f64;
    Measured {
        loss: loss / samples,
        accuracy: right as f64 / samples,
        macro_f1: (0..classes).map(f1).sum::<f64>() / classes as f64,
    }
}

/// The most likely class, the first of equals; none where a value is no number, as nothing compares with that.
fn likeliest(row: &[f32]) -> Option<usize> {
    if row.iter().any(|value| value.is_nan()) {
        return None;
    }
    Some((0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_equal_a_count_by_hand() {
        let p = |values: [f32; 3]| values.map(f32::ln);
        let rows = [p([0.5, 0.25, 0.25]), p([0.25, 0.5, 0.25]), p([0.5, 0.25, 0.25]), p([0.25, 0.25, 0.5])];
        let measured = measure(&rows.concat(), &[0, 1, 1, 0], 3);
        assert_eq!(measured.accuracy, 0.5);
        assert!((measured.loss - (2.0 * 2f64.ln() + 2.0 * 4f64.ln()) / 4.0).abs() < 1e-7);
        let f1 = [2.0 / 4.0, 2.0 / 3.0, 0.0];
        assert!((measured.macro_f1 - f1.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_number_names_no_class() {
        let sure = [0.0, f32::NEG_INFINITY];
        let measured = measure(&[[f32::NAN; 2], sure, [0.0, f32::NAN], sure].concat(), &[0, 0, 0, 1], 2);
        assert_eq!(measured.accuracy, 0.25, "class 0 is the answer to two samples, not to four");
        assert!(measured.loss.is_nan());
        // Class 0: one hit, of two answers and three samples.
        assert!((measured.macro_f1 - 2.0 / 5.0 / 2.0).abs() < 1e-12, "{measured:?}");
        assert_eq!(measure(&[f32::NAN; 4], &[0, 0], 2).accuracy, 0.0, "a model that diverged is never right");
    }
}
