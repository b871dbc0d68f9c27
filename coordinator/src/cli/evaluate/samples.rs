//! The samples of a data set as a model takes them. What both have names for is found by its name.

use std::borrow::Cow;

use ::data::{Dataset, Values};
use common::{
    model_file::ModelFile,
    model_spec::DataShape,
    split::Parts,
    study::{DataSpec, Split},
};

use super::{super::failure::Failure, Part};

/// Samples as a model takes them.
#[derive(Debug)]
pub(super) struct Samples {
    /// Floats as model.json asks for them, sample by sample.
    pub(super) values: Vec<f32>,
    /// Their classes, by the model's numbers.
    pub(super) truth: Vec<usize>,
    /// Which of them nothing was chosen by, where the model's study ranked its trials on the others.
    pub(super) clean: Option<Vec<usize>>,
}

impl Samples {
    /// The samples of a part, in the order of the data set; fails where they are not what the model takes.
    pub(super) fn of(
        part: Part,
        dataset: &Dataset,
        (model, shape): (&ModelFile, &DataShape),
    ) -> Result<Self, Failure> {
        let places = places(model, dataset)?;
        let ::data::Samples { channels, height, width, .. } = dataset.test;
        let wanted = [shape.channels, shape.height, shape.width].map(|side| side as usize);
        if places.is_none() && wanted != [channels, height, width] {
            return Err(unfit(shape, dataset));
        }
        let classes = classes((model, shape), dataset)?;
        let spec = DataSpec { split: model.split, split_seed: model.split_seed, ..DataSpec::default() };
        let labels = (&dataset.train.labels[..], &dataset.test.labels[..]);
        let validation = || Parts::of(&spec, labels, dataset.classes.len(), &dataset.digest).validation;
        let own = model.data_digest.as_ref() == Some(&dataset.digest);
        let (picked, clean) = match part {
            Part::Test if own && model.split == Split::Paper => {
                (Cow::Borrowed(&dataset.test), others(&validation(), dataset.test.count))
            }
            Part::Test => (Cow::Borrowed(&dataset.test), None),
            Part::Validation => {
                let judged = if model.split == Split::Paper { &dataset.test } else { &dataset.train };
                (Cow::Owned(judged.pick(&validation())), None)
            }
        };
        let values = match (&picked.values, &dataset.scale, &places) {
            (Values::Pixels(pixels), ..) => {
                pixels.iter().map(|byte| f32::from(*byte) * model.pixels.scale).collect()
            }
            // Who wrote model.json before features were in it had to standardise.
            (Values::Features(features), Some(scale), _) if model.features.is_none() => {
                scale.standardised(features)
            }
            (Values::Features(features), _, Some(places)) => rearranged(features, width, places),
            (Values::Features(features), ..) => features.clone(),
        };
        let truth = picked.labels.iter().map(|label| classes[usize::from(*label)]).collect();
        Ok(Self { values, truth, clean })
    }
}

/// Those of so many samples that are not among these, which ascend; none where these are none or all.
fn others(validated: &[u32], count: usize) -> Option<Vec<usize>> {
    let is_clean = |at: &usize| validated.binary_search(&(*at as u32)).is_err();
    let clean: Vec<usize> = (0..count).filter(is_clean).collect();
    Some(clean).filter(|clean| !clean.is_empty() && clean.len() < count)
}

/// Rows with the values at some places, in that order.
fn rearranged(features: &[f32], width: usize, places: &[usize]) -> Vec<f32> {
    features.chunks_exact(width.max(1)).flat_map(|row| places.iter().map(move |at| row[*at])).collect()
}

/// Where each of a model's features stands in a data set's row; none where rows are taken as they stand.
fn places(model: &ModelFile, dataset: &Dataset) -> Result<Option<Vec<usize>>, Failure> {
    let wanted = model.features.as_ref().map(|features| &features.columns[..]).unwrap_or_default();
    if wanted.is_empty() || dataset.columns.is_empty() || wanted == dataset.columns {
        return Ok(None);
    }
    let place = |name: &String| {
        dataset.columns.iter().position(|column| column == name).ok_or_else(|| {
            let (data, all) = (&dataset.name, wanted.join(", "));
            Failure::bad_input(format!("data set {data} has no column `{name}`: the model takes {all}"))
                .help("name a data set with these columns, in any order, with --data")
        })
    };
    wanted.iter().map(place).collect::<Result<Vec<_>, _>>().map(Some)
}

/// A model's number of each of a data set's classes. Mere numbers are no names: where one of both has nothing else, and the other
/// knows none of them, classes are the same by their order.
fn classes((model, shape): (&ModelFile, &DataShape), dataset: &Dataset) -> Result<Vec<usize>, Failure> {
    let known: Vec<String> = (0..shape.classes as usize).map(|class| model.class(class)).collect();
    let in_order = || Ok((0..known.len()).collect());
    if known == dataset.classes {
        return in_order();
    }
    let found: Vec<Option<usize>> =
        dataset.classes.iter().map(|name| known.iter().position(|class| class == name)).collect();
    let Some(unknown) = found.iter().position(Option::is_none) else {
        return Ok(found.into_iter().flatten().collect());
    };
    if found.iter().all(Option::is_none) && (are_numbers(&known) || are_numbers(&dataset.classes)) {
        return if known.len() == dataset.classes.len() { in_order() } else { Err(unfit(shape, dataset)) };
    }
    let (data, name) = (&dataset.name, &dataset.classes[unknown]);
    Err(Failure::bad_input(format!(
        "data set {data} has a class `{name}`, which the model does not know: it tells {} apart",
        known.join(", ")
    ))
    .help("name a data set with these classes, or some of them, with --data"))
}

/// Whether classes are called by their numbers.
fn are_numbers(classes: &[String]) -> bool {
    classes.iter().enumerate().all(|(number, name)| *name == number.to_string())
}

/// The failure of samples that have another shape than the model takes.
fn unfit(shape: &DataShape, dataset: &Dataset) -> Failure {
    let ::data::Samples { channels, height, width, .. } = dataset.test;
    Failure::bad_input(format!(
        "the model takes {} × {} × {} values of {} classes, but {} has {channels} × {height} × {width} of {}",
        shape.channels,
        shape.height,
        shape.width,
        shape.classes,
        dataset.name,
        dataset.classes.len()
    ))
    .help("name a data set of the same shape with --data")
}

#[cfg(test)]
mod tests {
    use common::model_file::{Features, Inputs};

    use super::*;
    use crate::cli::{failure::Code, fixture, trained::describe};

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    /// A model of a table, or of images where no column is named, with what a sample looks like.
    fn model(columns: &[&str], classes: &[&str]) -> (ModelFile, DataShape) {
        let count = columns.len();
        let features =
            Features { columns: texts(columns), mean: vec![0.0; count], deviation: vec![1.0; count] };
        let file = ModelFile {
            features: Some(features).filter(|_| count > 0),
            classes: Some(texts(classes)),
            ..describe(&fixture::best(), Inputs::default())
        };
        let width = if count == 0 { 2 } else { count as u32 };
        (file, DataShape { channels: 1, height: 1, width, classes: classes.len() as u32 })
    }

    /// A data set whose training and test part are the same.
    fn dataset(samples: ::data::Samples, columns: &[&str], classes: &[&str]) -> Dataset {
        Dataset {
            name: "other".to_owned(),
            classes: texts(classes),
            train: samples.clone(),
            test: samples,
            scale: None,
            columns: texts(columns),
            digest: "digest".to_owned(),
        }
    }

    /// A table of one row for each of its classes.
    fn table(columns: &[&str], classes: &[&str]) -> Dataset {
        let cells = (0..classes.len() * columns.len()).map(|cell| cell as f32).collect();
        let labels = (0..classes.len()).map(|label| label as u8).collect();
        dataset(::data::Samples::table([classes.len(), columns.len()], cells, labels), columns, classes)
    }

    fn tested((model, shape): &(ModelFile, DataShape), dataset: &Dataset) -> Result<Samples, Failure> {
        Samples::of(Part::Test, dataset, (model, shape))
    }

    fn refused(model: &(ModelFile, DataShape), dataset: &Dataset) -> String {
        let failure = tested(model, dataset).unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.help.is_some_and(|help| help.contains("--data")));
        failure.message
    }

    #[test]
    fn columns_are_found_by_name_and_others_left_alone() {
        let model = model(&["a", "b"], &["x", "y"]);
        let values = |columns: &[&str]| tested(&model, &table(columns, &["x", "y"])).unwrap().values;
        assert_eq!(values(&["a", "b"]), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(values(&["b", "a"]), [1.0, 0.0, 3.0, 2.0]);
        assert_eq!(values(&["b", "note", "a"]), [2.0, 0.0, 5.0, 3.0]);
        assert_eq!(
            refused(&model, &table(&["b", "c"], &["x", "y"])),
            "data set other has no column `a`: the model takes a, b"
        );
    }

    #[test]
    fn without_names_columns_are_the_same_by_their_order() {
        let samples = ::data::Samples::table([1, 2], vec![0.5, 0.25], vec![0]);
        let (named, nameless) = (model(&["a", "b"], &["x"]), dataset(samples, &[], &["x"]));
        assert_eq!(tested(&named, &nameless).unwrap().values, [0.5, 0.25]);
        let samples = ::data::Samples::table([1, 3], vec![0.0; 3], vec![0]);
        let message = refused(&named, &dataset(samples, &[], &["x"]));
        assert!(
            message.contains("takes 1 × 1 × 2 values of 1 classes, but other has 1 × 1 × 3"),
            "{message}"
        );
    }

    #[test]
    fn classes_are_found_by_name_and_one_that_the_model_does_not_know_is_refused() {
        let model = model(&["a"], &["x", "y", "z"]);
        let truth = |classes: &[&str]| tested(&model, &table(&["a"], classes)).unwrap().truth;
        assert_eq!(truth(&["x", "y", "z"]), [0, 1, 2]);
        assert_eq!(truth(&["z", "x", "y"]), [2, 0, 1]);
        assert_eq!(truth(&["y"]), [1]);
        assert_eq!(truth(&["0", "1", "2"]), [0, 1, 2], "numbers are no names");
        assert_eq!(
            refused(&model, &table(&["a"], &["x", "lilac"])),
            "data set other has a class `lilac`, which the model does not know: it tells x, y, z apart"
        );
        assert!(refused(&model, &table(&["a"], &["0", "1"])).contains("values of 3 classes"));
    }

    #[test]
    fn numbers_that_the_model_knows_are_classes_of_that_name() {
        let model = model(&["a"], &["1", "2"]);
        assert_eq!(tested(&model, &table(&["a"], &["2", "1"])).unwrap().truth, [1, 0]);
        assert!(refused(&model, &table(&["a"], &["0", "1"])).contains("a class `0`"));
    }

    #[test]
    fn where_test_samples_validated_the_others_are_clean() {
        let labels: Vec<u8> = (0..40).map(|at| at % 2).collect();
        let samples = ::data::Samples::images([40, 1, 1, 2], (0..80).collect(), labels);
        let data = dataset(samples, &[], &["x", "y"]);
        let (file, shape) = model(&[], &["x", "y"]);
        let own = ModelFile { split: Split::Paper, data_digest: Some("digest".to_owned()), ..file };
        let found = |part, model: &ModelFile| Samples::of(part, &data, (model, &shape)).unwrap();
        let (all, judged) = (found(Part::Test, &own), found(Part::Validation, &own));
        let clean = all.clean.unwrap();
        assert_eq!((all.truth.len(), clean.len(), judged.truth.len()), (40, 36, 4));
        let of = |at: usize| &all.values[2 * at..2 * at + 2];
        assert!(clean.iter().all(|at| !judged.values.chunks(2).any(|validated| validated == of(*at))));
        assert!(judged.clean.is_none());
        let elsewhere = ModelFile { data_digest: Some("other".to_owned()), ..own.clone() };
        assert!(found(Part::Test, &elsewhere).clean.is_none());
        assert!(found(Part::Test, &ModelFile { split: Split::Holdout, ..own }).clean.is_none());
    }
}
