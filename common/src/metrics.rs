//! Metrics, objectives and the total order in which results are ranked.

use std::{cmp::Ordering, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A float stored as its bits, in 16 hexadecimal digits: JSON would lose NaN and infinities.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bits(pub f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Bits {}

impl From<Bits> for String {
    fn from(bits: Bits) -> Self {
        format!("{:016x}", bits.0.to_bits())
    }
}

impl TryFrom<String> for Bits {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(|bits| Self(f64::from_bits(bits)))
    }
}

/// What a trial measures at an epoch's end, on its training and its validation part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean cross-entropy over the training samples, as they were trained on.
    pub train_loss: f64,
    /// Share of training samples classified correctly while training.
    pub train_accuracy: f64,
    /// Mean cross-entropy over the validation samples.
    pub val_loss: f64,
    /// Share of validation samples classified correctly.
    pub val_accuracy: f64,
    /// Unweighted mean of the classes' F1 on the validation samples.
    pub val_macro_f1: f64,
}

/// One epoch of one trial, as it appears in a learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Epochs trained, from 1.
    pub epoch: u32,
    /// What was measured at the epoch's end.
    pub metrics: Metrics,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Wall time of the epoch in seconds, evaluation included. Differs from run to run.
    pub seconds: f64,
}

impl CurvePoint {
    /// The columns of [`CurvePoint::numbers`].
    pub const COLUMNS: [&str; 7] = [
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "val_macro_f1",
        "learning_rate",
        "seconds",
    ];

    /// All that was measured, as tables have it.
    pub fn numbers(&self) -> [f64; 7] {
        let Metrics { train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1 } = self.metrics;
        [train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1, self.learning_rate, self.seconds]
    }
}

/// What a checkpoint scores on a part of the data: the test part, or in an evaluation the validation part too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestMetrics {
    /// Share of test samples classified correctly.
    #[serde(deserialize_with = "maybe_finite")]
    pub accuracy: f64,
    /// Mean cross-entropy over the test samples; not finite where a model's numbers overflow on one of them.
    #[serde(deserialize_with = "maybe_finite")]
    pub loss: f64,
    /// Accuracy and loss on those test samples that did not validate; none where no test sample validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<CleanMetrics>,
}

/// What a checkpoint scores on the test samples that nothing was chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CleanMetrics {
    /// Share of these samples classified correctly.
    #[serde(deserialize_with = "maybe_finite")]
    pub accuracy: f64,
    /// Mean cross-entropy over these samples.
    #[serde(deserialize_with = "maybe_finite")]
    pub loss: f64,
    /// How many there are.
    pub samples: u32,
}

/// A float that JSON could not write because it is not finite, for which `null` stands, comes back as NaN.
fn maybe_finite<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// The measure that a study is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of validation samples classified correctly.
    #[default]
    ValAccuracy,
    /// Mean cross-entropy over the validation samples.
    ValLoss,
    /// Unweighted mean of the classes' F1 on the validation samples.
    ValMacroF1,
    /// Share of training samples classified correctly while training: for studies without validation.
    TrainAccuracy,
    /// Mean cross-entropy over the training samples while training: for studies without validation.
    TrainLoss,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 5] =
        [Self::ValAccuracy, Self::ValLoss, Self::ValMacroF1, Self::TrainAccuracy, Self::TrainLoss];

    /// Whether it is measured on validation samples.
    pub fn validates(self) -> bool {
        match self {
            Self::ValAccuracy | Self::ValLoss | Self::ValMacroF1 => true,
            Self::TrainAccuracy | Self::TrainLoss => false,
        }
    }

    /// The least and the greatest value that it can have.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::ValAccuracy | Self::ValMacroF1 | Self::TrainAccuracy => (0.0, 1.0),
            Self::ValLoss | Self::TrainLoss => (0.0, f64::INFINITY),
        }
    }

    /// The metric's name in study files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValAccuracy => "val_accuracy",
            Self::ValLoss => "val_loss",
            Self::ValMacroF1 => "val_macro_f1",
            Self::TrainAccuracy => "train_accuracy",
            Self::TrainLoss => "train_loss",
        }
    }

    /// The metric's value among what was measured.
    pub fn of(self, metrics: &Metrics) -> f64 {
        match self {
            Self::ValAccuracy => metrics.val_accuracy,
            Self::ValLoss => metrics.val_loss,
            Self::ValMacroF1 => metrics.val_macro_f1,
            Self::TrainAccuracy => metrics.train_accuracy,
            Self::TrainLoss => metrics.train_loss,
        }
    }

    /// The direction in which the metric is good.
    pub fn natural_goal(self) -> Goal {
        match self {
            Self::ValAccuracy | Self::ValMacroF1 | Self::TrainAccuracy => Goal::Maximize,
            Self::ValLoss | Self::TrainLoss => Goal::Minimize,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no metric: use val_accuracy, val_loss, val_macro_f1, train_accuracy or train_loss")]
pub struct UnknownMetric(String);

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.as_str() == text)
            .ok_or_else(|| UnknownMetric(text.to_owned()))
    }
}

/// Whether higher or lower values of the objective are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Goal {
    /// Orders two values, the better one first; a value that is not finite comes last.
    pub fn compare(self, a: f64, b: f64) -> Ordering {
        match (a.is_finite(), b.is_finite()) {
            (true, true) => match self {
                Self::Maximize => b.total_cmp(&a),
                Self::Minimize => a.total_cmp(&b),
            },
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => Ordering::Equal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_keep_what_json_would_lose() {
        for value in [0.1, -0.0, f64::NAN, f64::INFINITY, 1e-310] {
            let text = serde_json::to_string(&Bits(value)).unwrap();
            assert_eq!(serde_json::from_str::<Bits>(&text).unwrap(), Bits(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_finite_is_read_back_as_no_number() {
        let clean = Some(CleanMetrics { accuracy: 0.5, loss: f64::INFINITY, samples: 9 });
        let text = serde_json::to_string(&TestMetrics { accuracy: 0.1, loss: f64::NAN, clean }).unwrap();
        let read: TestMetrics = serde_json::from_str(&text).unwrap();
        assert!(read.loss.is_nan() && read.clean.unwrap().loss.is_nan(), "{text}");
        assert_eq!((read.accuracy, read.clean.unwrap().samples), (0.1, 9));
    }

    #[test]
    fn the_better_value_comes_first_and_nan_last() {
        let mut values = [0.2, f64::NAN, 0.9, 0.5];
        values.sort_by(|a, b| Goal::Maximize.compare(*a, *b));
        assert_eq!(values[..3], [0.9, 0.5, 0.2]);
        values.sort_by(|a, b| Goal::Minimize.compare(*a, *b));
        assert_eq!(values[..3], [0.2, 0.5, 0.9]);
    }
}
