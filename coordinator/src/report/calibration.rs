//! Whether the model is right as often as it says.

use serde::Serialize;

use super::predictions::{Predictions, surprise};
use crate::ensemble::temperature;

/// Bins of a reliability diagram.
const BINS: usize = 15;

/// How confidence and accuracy agree (Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
/// ICML 2017).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Calibration {
    /// Mean over samples of how far their bin's confidence is from its accuracy.
    pub(super) expected_calibration_error: f64,
    /// How far the worst bin's confidence is from its accuracy.
    pub(super) maximum_calibration_error: f64,
    /// Mean probability of the likeliest class.
    pub(super) confidence: f64,
    /// What logits would have to be divided by for the least log loss on these very samples: above 1 where the model
    /// is too sure, below 1 where it is not sure enough. A diagnosis, not a score.
    pub(super) temperature: f64,
    /// The log loss that it would give, on the samples that it was fitted to.
    pub(super) log_loss_at_temperature: f64,
    pub(super) bins: Vec<Bin>,
}

/// Samples of about equal confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Bin {
    /// Confidences above this.
    pub(super) above: f64,
    /// Confidences up to this.
    pub(super) up_to: f64,
    pub(super) samples: usize,
    /// Their mean confidence; 0 where there is none.
    pub(super) confidence: f64,
    /// The share that is right; 0 where there is none.
    pub(super) accuracy: f64,
}

impl Calibration {
    /// The calibration of some predictions.
    pub(super) fn new(predictions: &Predictions<'_>) -> Self {
        let bins = bins(predictions);
        let total = predictions.len() as f64;
        let gap = |bin: &Bin| (bin.confidence - bin.accuracy).abs();
        let (temperature, log_loss_at_temperature) = temperature(predictions);
        Self {
            expected_calibration_error: bins.iter().map(|bin| bin.samples as f64 / total * gap(bin)).sum(),
            maximum_calibration_error: bins.iter().map(gap).fold(0.0, f64::max),
            confidence: bins.iter().map(|bin| bin.samples as f64 / total * bin.confidence).sum(),
            temperature,
            log_loss_at_temperature,
            bins,
        }
    }
}

fn bins(predictions: &Predictions<'_>) -> Vec<Bin> {
    let width = 1.0 / BINS as f64;
    let edges = |bin: usize| (bin as f64 * width, (bin + 1) as f64 * width);
    let empty = |bin| Bin { above: edges(bin).0, up_to: edges(bin).1, ..Bin::default() };
    let mut bins: Vec<Bin> = (0..BINS).map(empty).collect();
    for (label, predicted, row) in predictions.rows() {
        let confidence = row[predicted].min(1.0);
        let bin = &mut bins[((confidence / width).ceil() as usize).clamp(1, BINS) - 1];
        bin.samples += 1;
        bin.confidence += confidence;
        bin.accuracy += f64::from(u8::from(label == predicted));
    }
    for bin in bins.iter_mut().filter(|bin| bin.samples > 0) {
        bin.confidence /= bin.samples as f64;
        bin.accuracy /= bin.samples as f64;
    }
    bins
}

/// The temperature of the least log loss, and that loss.
fn temperature(predictions: &Predictions<'_>) -> (f64, f64) {
    let (answers, truth) = (predictions.answers(), predictions.truth());
    let temperature = temperature::fit(&answers, &truth);
    let scaled = temperature::scale(&answers, temperature);
    let losses = scaled.rows().zip(&truth).map(|(row, label)| surprise(row[usize::from(*label)]));
    (temperature, losses.sum::<f64>() / truth.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Answerer, TestPart, fixture};

    /// Samples of two classes that are right in three of four cases, at one confidence.
    fn sure(confidence: f32) -> TestPart {
        let rows = [[confidence, 1.0 - confidence]; 4];
        TestPart {
            classes: vec!["a".to_owned(), "b".to_owned()],
            labels: vec![0, 0, 0, 1],
            of: Answerer::BestTrial,
            probabilities: rows.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect(),
            images: None,
        }
    }

    fn calibration(confidence: f32) -> Calibration {
        let mut subject = fixture::subject();
        subject.best.study.test = None;
        Calibration::new(&Predictions::new(&sure(confidence), &subject).unwrap())
    }

    #[test]
    fn the_error_is_the_distance_of_confidence_and_accuracy() {
        assert!((calibration(0.95).expected_calibration_error - 0.2).abs() < 1e-6);
        assert!(calibration(0.75).expected_calibration_error < 1e-6);
        assert_eq!(calibration(1.0).bins[BINS - 1].samples, 4);
    }

    #[test]
    fn the_temperature_makes_confidence_what_accuracy_is() {
        // At three in four, the best probability is 0.75: the logit's difference ln 3 instead of ln 19.
        let calibration = calibration(0.95);
        assert!((calibration.temperature - 19.0_f64.ln() / 3.0_f64.ln()).abs() < 1e-3, "{calibration:?}");
        let entropy = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        assert!((calibration.log_loss_at_temperature - entropy).abs() < 1e-6);
    }
}
