//! `model.json`: everything about a trained model that its weights do not say.

mod inputs;
pub use inputs::{Features, Inputs, Pixels};

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::{StudyName, TrialNumber},
    metrics::{Metric, TestMetrics},
    model_spec::{DataShape, Layer, ModelSpec},
    study::{ModelKind, Split, TrainSpec},
};

/// The newest version of the format; readers take any up to it.
pub const VERSION: u32 = 3;

/// What stands beside `model.safetensors`: enough to build the model again and to feed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFile {
    /// The study that found it.
    pub study: StudyName,
    /// The trial that trained it.
    pub trial: TrialNumber,
    /// What the study ranks by.
    pub metric: Metric,
    /// The metric's value; none where it is not finite.
    pub value: Option<f64>,
    /// Epochs trained.
    pub epochs: u32,
    /// What it was trained with.
    pub hparams: Hparams,
    /// The family of the model.
    pub model: ModelKind,
    /// How many numbers were trained.
    pub parameters: u64,
    /// The digest of `model.safetensors`, which earlier files call their checkpoint.
    #[serde(alias = "checkpoint")]
    pub weights: Option<Digest>,
    /// Whether the study ran its whole plan.
    pub complete: bool,
    /// What it scores on the test part, where that was measured.
    pub test: Option<TestMetrics>,
    /// The data set's name.
    pub data: String,
    /// What a sample looks like.
    pub input: Option<DataShape>,
    /// What class 0, class 1, … are called.
    pub classes: Option<Vec<String>>,
    /// The layers in the order in which a sample passes them; their names are prefixes in the state dict.
    pub layers: Vec<Layer>,
    /// How the weights are stored.
    pub format: String,
    /// The version of this file's format; files of the first release do not say.
    #[serde(default = "first")]
    pub version: u32,
    /// How pixels become what the first layer takes.
    #[serde(default)]
    pub pixels: Pixels,
    /// How rows of a table do; none of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// The digest of the data set.
    #[serde(default)]
    pub data_digest: Option<String>,
    /// Which samples validated.
    #[serde(default)]
    pub split: Split,
    /// The split's own seed.
    #[serde(default)]
    pub split_seed: u64,
    /// How it was trained, as far as hyperparameters do not say: threads, for example, by which evaluations add.
    #[serde(default)]
    pub train: TrainSpec,
}

/// A model as far as it can be built without its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// The layers.
    pub spec: ModelSpec,
    /// What a sample looks like.
    pub shape: DataShape,
}

/// Why a `model.json` describes no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidModel {
    /// The text is no model.json.
    #[error("it is no model.json: {0}")]
    Json(String),
    /// It is of a later format.
    #[error("its format is version {0}, but this Rung reads up to {VERSION}: use a newer Rung")]
    Version(u32),
    /// It describes a formula, or was written without the data set.
    #[error("it describes no network: a study of the formula has none")]
    NoNetwork,
    /// Means and deviations are not those of the channels.
    #[error("its `pixels` have no mean and deviation above 0 for each of {0} channels")]
    Pixels(u32),
    /// Means, deviations and names are not those of the features.
    #[error("its `features` have no mean and deviation above 0 for each of {0} features, or other names")]
    Features(u32),
    /// The layers do not end with the classes.
    #[error("its layers end with {found:?} values, but there are {classes} classes")]
    Classes {
        /// What comes out of the last layer.
        found: Vec<u32>,
        /// How many classes there are.
        classes: u32,
    },
}

impl ModelFile {
    /// The file's name in a model's folder.
    pub const NAME: &str = "model.json";

    /// Reads a `model.json`.
    pub fn from_json(text: &str) -> Result<Self, InvalidModel> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default = "first")]
            version: u32,
        }
        // A later format may have other keys, so the version is looked at first.
        let malformed = |error: serde_json::Error| InvalidModel::Json(error.to_string());
        match serde_json::from_str(text).map_err(malformed)? {
            Version { version } if version > VERSION => Err(InvalidModel::Version(version)),
            _ => serde_json::from_str(text).map_err(malformed),
        }
    }

    /// The model to build; fails where there is none.
    pub fn architecture(&self) -> Result<Architecture, InvalidModel> {
        let (Some(shape), Some(last)) = (self.input, self.layers.last()) else {
            return Err(InvalidModel::NoNetwork);
        };
        if last.output != [shape.classes] {
            return Err(InvalidModel::Classes { found: last.output.clone(), classes: shape.classes });
        }
        if !self.pixels.fit(shape.channels) {
            return Err(InvalidModel::Pixels(shape.channels));
        }
        if self.features.as_ref().is_some_and(|features| !features.fit(&shape)) {
            return Err(InvalidModel::Features(shape.width));
        }
        Ok(Architecture { spec: ModelSpec { layers: self.layers.clone(), ..ModelSpec::default() }, shape })
    }

    /// Mean and deviation by which samples are standardised: of each feature of a table, or each channel of images.
    pub fn standard(&self) -> Option<(&[f32], &[f32])> {
        let pixels = Some(&self.pixels).filter(|pixels| pixels.are_standardised());
        let of_pixels = pixels.map(|Pixels { mean, deviation, .. }| (&mean[..], &deviation[..]));
        self.features
            .as_ref()
            .map(|Features { mean, deviation, .. }| (&mean[..], &deviation[..]))
            .or(of_pixels)
    }

    /// What a class is called; its number where it has no name.
    pub fn class(&self, class: usize) -> String {
        let name = self.classes.as_ref().and_then(|classes| classes.get(class));
        name.cloned().unwrap_or_else(|| class.to_string())
    }
}

fn first() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first release wrote it: without version, pixels, digest, split and training.
    const FIRST: &str = r#"{"study":"s","trial":3,"metric":"val_accuracy","value":0.5,"epochs":2,
        "hparams":{"layers":0},"model":"mlp","parameters":50,"checkpoint":null,"complete":true,"test":null,
        "data":"fashion-mnist","input":{"channels":1,"height":2,"width":2,"classes":2},"classes":["a","b"],
        "layers":[{"name":"flatten","op":{"kind":"flatten"},"output":[4],"parameters":0},
        {"name":"dense_0","op":{"kind":"dense","inputs":4,"outputs":2},"output":[2],"parameters":10}],
        "format":"safetensors"}"#;

    #[test]
    fn a_file_of_the_first_release_is_read_and_written_again() {
        let file = ModelFile::from_json(FIRST).unwrap();
        assert_eq!((file.version, file.train.threads, file.pixels.scale), (1, 1, 1.0 / 255.0));
        let architecture = file.architecture().unwrap();
        assert_eq!((architecture.spec.layers.len(), architecture.shape.classes), (2, 2));
        assert_eq!((file.class(1).as_str(), file.class(7).as_str()), ("b", "7"));
        assert_eq!(ModelFile::from_json(&serde_json::to_string(&file).unwrap()), Ok(file));
        let digest = Digest::of(b"weights");
        let named = FIRST.replace(r#""checkpoint":null"#, &format!(r#""checkpoint":"{digest}""#));
        let file = ModelFile::from_json(&named).unwrap();
        assert_eq!(file.weights, Some(digest));
        assert!(serde_json::to_string(&file).unwrap().contains(&format!(r#""weights":"{digest}""#)));
    }

    #[test]
    fn standardised_pixels_need_the_second_version() {
        let pixels = r#""format":"safetensors","pixels":{"scale":1.0,"mean":[0.25],"deviation":[0.5]}"#;
        let file = ModelFile::from_json(&FIRST.replace(r#""format":"safetensors""#, pixels)).unwrap();
        assert!(file.pixels.are_standardised() && file.architecture().is_ok());
        let standardised = Inputs { pixels: file.pixels, features: None };
        assert_eq!((standardised.version(), Inputs::default().version()), (2, 1));
        assert_eq!(serde_json::to_string(&Pixels::default()).unwrap(), r#"{"scale":0.003921569}"#);
    }

    #[test]
    fn rows_of_a_table_need_the_third_version_and_numbers_for_every_feature() {
        let row = FIRST.replace(r#""height":2,"width":2"#, r#""height":1,"width":4"#);
        let with = |features: &str| {
            let text = row.replace(r#""format""#, &format!(r#""features":{{{features}}},"format""#));
            ModelFile::from_json(&text).unwrap()
        };
        let file = with(r#""columns":["a","b","c","d"],"mean":[0,1,2,3],"deviation":[1,1,1,0.5]"#);
        assert!(file.architecture().is_ok());
        assert_eq!(file.standard(), Some((&[0.0, 1.0, 2.0, 3.0][..], &[1.0, 1.0, 1.0, 0.5][..])));
        assert_eq!(Inputs { pixels: file.pixels, features: file.features }.version(), 3);
        for wrong in [
            r#""mean":[0,1,2,3],"deviation":[1,1,1,0]"#,
            r#""mean":[0,1,2],"deviation":[1,1,1]"#,
            r#""columns":["a"],"mean":[0,1,2,3],"deviation":[1,1,1,1]"#,
        ] {
            let said = with(wrong).architecture().unwrap_err().to_string();
            assert!(said.contains("for each of 4 features"), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_built_is_refused_with_the_reason() {
        let message = |text: &str| match ModelFile::from_json(text).and_then(|file| file.architecture()) {
            Err(error) => error.to_string(),
            Ok(model) => panic!("{model:?}"),
        };
        assert!(message("{").starts_with("it is no model.json: "));
        assert!(message(r#"{"version":4}"#).contains("version 4"));
        for pixels in
            [r#""mean":[0.5]"#, r#""mean":[0.5],"deviation":[0]"#, r#""mean":[1,2],"deviation":[1,2]"#]
        {
            let pixels = format!(r#""format":"safetensors","pixels":{{"scale":1,{pixels}}}"#);
            let said = message(&FIRST.replace(r#""format":"safetensors""#, &pixels));
            assert!(said.contains("for each of 1 channels"), "{said}");
        }
        assert!(message(&FIRST.replace("\"classes\":2", "\"classes\":3")).contains("3 classes"));
        let formula = FIRST.replace("\"layers\":[{", "\"layers\":[],\"was\":[{");
        assert!(message(&formula).contains("describes no network"));
    }
}
