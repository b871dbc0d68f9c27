//! How samples become what a model takes.

use serde::{Deserialize, Serialize};

use crate::model_spec::DataShape;

/// What stands in `model.json` of samples: one of the two says how they are scaled, by what the data is made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inputs {
    /// Of images.
    pub pixels: Pixels,
    /// Of rows of a table.
    pub features: Option<Features>,
}

impl Inputs {
    /// The first version of the format that says all of this: an older reader would feed the model other numbers.
    pub fn version(&self) -> u32 {
        match (&self.features, self.pixels.are_standardised()) {
            (Some(_), _) => 3,
            (None, true) => 2,
            (None, false) => 1,
        }
    }
}

/// How pixels become what a model takes: floats, samples × channels × height × width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pixels {
    /// What a byte is multiplied by.
    pub scale: f32,
    /// What is taken off each channel after that; nothing where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    /// What each channel is divided by then; all are above 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviation: Vec<f32>,
}

impl Pixels {
    /// Whether channels are standardised.
    pub fn are_standardised(&self) -> bool {
        !self.mean.is_empty()
    }

    /// Whether images of so many channels can be made of them.
    pub(super) fn fit(&self, channels: u32) -> bool {
        !self.are_standardised() && self.deviation.is_empty()
            || can_standardise((&self.mean, &self.deviation), channels)
    }
}

impl Default for Pixels {
    /// From 0 to 1.
    fn default() -> Self {
        Self { scale: 1.0 / 255.0, mean: Vec::new(), deviation: Vec::new() }
    }
}

/// How a row of a table becomes what a model takes: floats, samples × features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// What they are called, in the order in which the model takes them; nothing where they have no names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What is taken off each.
    pub mean: Vec<f32>,
    /// What each is divided by then; all are above 0.
    pub deviation: Vec<f32>,
}

impl Features {
    /// Whether they are all of a sample.
    pub(super) fn fit(&self, shape: &DataShape) -> bool {
        [shape.channels, shape.height] == [1, 1]
            && [0, shape.width as usize].contains(&self.columns.len())
            && can_standardise((&self.mean, &self.deviation), shape.width)
    }
}

/// Whether there are so many means and deviations, and all can be computed with.
fn can_standardise((mean, deviation): (&[f32], &[f32]), count: u32) -> bool {
    let sane = |number: &f32| number.is_finite();
    [mean.len(), deviation.len()] == [count as usize; 2]
        && mean.iter().all(sane)
        && deviation.iter().all(|number| sane(number) && *number > 0.0)
}
