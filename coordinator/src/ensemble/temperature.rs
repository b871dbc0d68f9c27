//! Temperature scaling (Guo et al., "On calibration of modern neural networks", ICML 2017).

use super::{answers::Answers, score::LEAST};

/// The lowest and the highest temperature that is fitted.
const RANGE: (f64, f64) = (0.05, 20.0);

/// Halvings of the range: as many as tell two temperatures apart.
const HALVINGS: u32 = 60;

/// The temperature at which answers have the least loss against the true classes.
///
/// The loss is convex in 1 / T, so its slope there has one sign change, which is halved in on.
pub fn fit(answers: &Answers, truth: &[u8]) -> f64 {
    let logs: Vec<f64> = answers.values().iter().map(|p| libm::log(p.max(LEAST))).collect();
    let slope = |sharpness: f64| -> f64 {
        let rows = logs.chunks_exact(answers.classes()).zip(truth);
        rows.map(|(row, label)| excess(row, usize::from(*label), sharpness)).sum()
    };
    let (mut low, mut high) = (1.0 / RANGE.1, 1.0 / RANGE.0);
    if slope(low) >= 0.0 {
        return RANGE.1;
    }
    if slope(high) <= 0.0 {
        return RANGE.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    1.0 / f64::midpoint(low, high)
}

/// Answers at a temperature: probabilities to the power of 1 / T, made distributions again. The order of classes stays, and
/// what is no number stays none.
pub fn scale(answers: &Answers, temperature: f64) -> Answers {
    // The greater of a number and of none would be the number.
    let log = |p: &f64| if p.is_nan() { f64::NAN } else { libm::log(p.max(LEAST)) };
    let mut probabilities = Vec::with_capacity(answers.values().len());
    for row in answers.rows() {
        let logs: Vec<f64> = row.iter().map(log).collect();
        let powers = powers(&logs, 1.0 / temperature);
        let total: f64 = powers.iter().sum();
        probabilities.extend(powers.iter().map(|power| power / total));
    }
    Answers::new(answers.classes(), probabilities)
}

/// A sample's part of the slope: its expected log-probability less that of the true class.
fn excess(logs: &[f64], label: usize, sharpness: f64) -> f64 {
    let powers = powers(logs, sharpness);
    let total: f64 = powers.iter().sum();
    powers.iter().zip(logs).map(|(power, log)| power * log).sum::<f64>() / total - logs[label]
}

/// Exponentials of scaled logarithms, the largest of which is 1.
fn powers(logs: &[f64], sharpness: f64) -> Vec<f64> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logs.iter().map(|log| libm::exp(sharpness * (log - most))).collect()
}
