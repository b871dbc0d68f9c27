//! How training images are changed at random.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How training images are changed at random: every image anew in every epoch, the same for all trials of a study.
///
/// What comes in from outside an image is black. In study files it is a name, or what is done written out; it is
/// always stored written out, so that a stored study means the same for ever. The default does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "NameOrTransforms", into = "NameOrTransforms")]
#[schemars(with = "NameOrTransforms")]
pub struct Augment {
    /// Turned by at most so many degrees, either way.
    pub rotate: f64,
    /// Made larger or smaller by at most this share, both sides alike.
    pub zoom: f64,
    /// Moved by at most this share of the side, along each side.
    pub shift: f64,
    /// Moved by at most so many whole pixels along each side: a random crop of the padded image.
    pub crop: u32,
    /// Mirrored left to right in every other epoch.
    pub flip: bool,
    /// Share of images of which a rectangle is replaced by noise (Zhong et al., 2020).
    pub erase: f64,
}

/// A common set of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AugmentName {
    /// Nothing.
    None,
    /// Flip, and crop by 2 pixels.
    Light,
    /// Rotation by 10 degrees, zoom and shifts by a tenth.
    Standard,
    /// Flip, crop by 2 pixels, and half of the images erased in part.
    Strong,
}

/// As study files have it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum NameOrTransforms {
    Name(AugmentName),
    Transforms(Transforms),
}

/// Changes written out; those left out are not made.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Transforms {
    /// Turned by at most so many degrees, either way.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0, max = 180))]
    rotate: f64,
    /// Made larger or smaller by at most this share, both sides alike.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    zoom: f64,
    /// Moved by at most this share of the side, along each side.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0, max = 1))]
    shift: f64,
    /// Moved by at most so many whole pixels along each side: a random crop of the padded image.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0, max = Augment::MOST_CROP))]
    crop: u32,
    /// Mirrored left to right in every other epoch.
    #[serde(skip_serializing_if = "is_default")]
    flip: bool,
    /// Share of images of which a rectangle is replaced by noise.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0, max = 1))]
    erase: f64,
}

impl Augment {
    /// Most pixels that an image is moved by.
    pub const MOST_CROP: u32 = 1_024;

    /// Whether images stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Augment> for NameOrTransforms {
    fn from(augment: Augment) -> Self {
        let Augment { rotate, zoom, shift, crop, flip, erase } = augment;
        if augment.is_none() {
            Self::Name(AugmentName::None)
        } else {
            Self::Transforms(Transforms { rotate, zoom, shift, crop, flip, erase })
        }
    }
}

/// Whether a change is not made.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<NameOrTransforms> for Augment {
    fn from(written: NameOrTransforms) -> Self {
        match written {
            NameOrTransforms::Name(name) => name.into(),
            NameOrTransforms::Transforms(Transforms { rotate, zoom, shift, crop, flip, erase }) => {
                Self { rotate, zoom, shift, crop, flip, erase }
            }
        }
    }
}

impl From<AugmentName> for Augment {
    fn from(name: AugmentName) -> Self {
        match name {
            AugmentName::None => Self::default(),
            AugmentName::Light => Self { flip: true, crop: 2, ..Self::default() },
            AugmentName::Standard => Self { rotate: 10.0, zoom: 0.1, shift: 0.1, ..Self::default() },
            AugmentName::Strong => Self { flip: true, crop: 2, erase: 0.5, ..Self::default() },
        }
    }
}

impl AugmentName {
    /// All names.
    pub const ALL: [Self; 4] = [Self::None, Self::Light, Self::Standard, Self::Strong];

    /// The name in study files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Standard => "standard",
            Self::Strong => "strong",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::StudySpec;

    fn read(augment: &str) -> Result<Augment, String> {
        let file = format!("name: a\nmodel: mlp\nspace: mlp\ntrain: {{augment: {augment}}}\n");
        StudySpec::from_yaml(&file).map(|study| study.train.augment).map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_what_is_written_out_are_read() {
        assert_eq!(read("none"), Ok(Augment::default()));
        assert_eq!(read("standard"), Ok(AugmentName::Standard.into()));
        assert_eq!(read("{flip: true, crop: 2, erase: 0.5}"), Ok(AugmentName::Strong.into()));
        assert!(read("strnog").unwrap_err().contains("strong"));
        assert!(read("{rotation: 10}").unwrap_err().contains("rotat"));
        assert!(read("{erase: 2}").unwrap_err().contains("at most 1"));
        assert!(read("{zoom: 1}").unwrap_err().contains("below 1"));
    }

    #[test]
    fn what_is_stored_is_written_out() {
        let json = |name: AugmentName| serde_json::to_string(&Augment::from(name)).unwrap();
        assert_eq!(json(AugmentName::Strong), r#"{"crop":2,"flip":true,"erase":0.5}"#);
        assert_eq!(json(AugmentName::None), r#""none""#);
    }
}
