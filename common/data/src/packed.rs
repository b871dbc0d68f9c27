//! A data set as one object: a safetensors file whose bytes depend on the data alone.

use std::{borrow::Cow, collections::HashMap};

use common::{checkpoint::Digest, shown, study::DataFacts};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::{DataError, Dataset, Samples, Scale, Values};

/// Largest object, in bytes: as much as a coordinator stores.
pub const LARGEST_OBJECT: u64 = 1 << 30;

/// Largest header that is read, in bytes: room for the names of the columns of a very wide table.
const LARGEST_HEADER: u64 = 8 << 20;

/// The key of the metadata. One alone: more would be written in random order.
const KEY: &str = "rung";

/// What tensors do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    /// The format's version.
    format: u32,
    classes: Vec<String>,
    /// What a table's features are called, where they have names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
}

/// Packs samples and the names of classes and of columns into an object; equal data gives equal bytes.
pub(crate) fn pack(
    train: &Samples,
    test: &Samples,
    (classes, columns): (&[String], &[String]),
) -> Result<Vec<u8>, DataError> {
    let object = |error: &dyn std::fmt::Display| DataError::Object(error.to_string());
    let metadata = Metadata { format: 1, classes: classes.to_vec(), columns: columns.to_vec() };
    let metadata = serde_json::to_string(&metadata).map_err(|error| object(&error))?;
    let mut tensors = tensors("train", train);
    tensors.extend(self::tensors("test", test));
    for (name, values) in
        Scale::of(train).into_iter().flat_map(|s| [("mean", s.mean), ("deviation", s.deviation)])
    {
        tensors.push((name.to_owned(), Dtype::F32, vec![values.len()], little_endian(&values).into()));
    }
    let size: u64 = tensors.iter().map(|(.., bytes)| bytes.len() as u64).sum();
    if size > LARGEST_OBJECT - (1 << 20) {
        let problem =
            format!("its samples take {size} bytes, and {LARGEST_OBJECT} are the most for one data set");
        return Err(DataError::Object(problem));
    }
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in &tensors {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| object(&error))?));
    }
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), metadata)])))
        .map_err(|error| object(&error))
}

/// A tensor to be written: its bytes are borrowed where they are what lies in memory, a gibibyte perhaps.
type Written<'a> = (String, Dtype, Vec<usize>, Cow<'a, [u8]>);

fn tensors<'a>(part: &str, samples: &'a Samples) -> Vec<Written<'a>> {
    let Samples { count, channels, height, width, .. } = *samples;
    let values = match &samples.values {
        Values::Pixels(pixels) => {
            (format!("{part}_images"), Dtype::U8, vec![count, channels, height, width], Cow::from(pixels))
        }
        Values::Features(features) => {
            (format!("{part}_features"), Dtype::F32, vec![count, width], little_endian(features).into())
        }
    };
    vec![values, (format!("{part}_labels"), Dtype::U8, vec![count], Cow::from(&samples.labels))]
}

/// Reads an object that must be what [`pack`] makes: of any other bytes nothing is believed.
pub fn verified(name: &str, bytes: &[u8]) -> Result<Dataset, DataError> {
    let dataset = unpack(name, bytes)?;
    if let Some(flaw) = flaw_of_names(&dataset.classes, &dataset.columns) {
        return Err(DataError::Object(flaw));
    }
    let again = pack(&dataset.train, &dataset.test, (&dataset.classes, &dataset.columns))?;
    if again != bytes {
        return Err(DataError::Object("its bytes are not in the canonical form".to_owned()));
    }
    Ok(dataset)
}

/// What is wrong with the name of a class or a column, if anything.
pub(crate) fn flaw_of_names(classes: &[String], columns: &[String]) -> Option<String> {
    let classes = classes.iter().enumerate().map(|(at, name)| ("class", at, name));
    let mut names = classes.chain(columns.iter().enumerate().map(|(at, name)| ("column", at, name)));
    names.find_map(|(what, at, name)| {
        let flaw = shown::flaw(name)?;
        let shown: String = name.chars().filter(|c| shown::is_harmless(*c)).take(40).collect();
        Some(format!("the name of {what} {at}, `{shown}…`, {flaw}"))
    })
}

/// Reads an object whose digest is known to be right.
pub fn unpack(name: &str, bytes: &[u8]) -> Result<Dataset, DataError> {
    let bad = |problem: String| DataError::Object(problem);
    let claimed = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    if claimed > LARGEST_HEADER || bytes.len() as u64 > LARGEST_OBJECT {
        return Err(bad(format!(
            "it has {} bytes and a header of {claimed}: more than is read",
            bytes.len()
        )));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| bad(error.to_string()))?;
    let text = header.metadata().as_ref().and_then(|all| all.get(KEY));
    let text = text.ok_or_else(|| bad("it was not packed by `rung data add`".to_owned()))?;
    let metadata: Metadata = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    let Metadata { format, classes, columns } = metadata;
    if format != 1 {
        return Err(bad(format!("it has format {format}, and this release of rung knows 1")));
    }
    if !(1..=DataFacts::MOST_CLASSES).contains(&classes.len()) {
        return Err(bad(format!("it has {} classes", classes.len())));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
    let (train, test) = (part(&file, "train", classes.len())?, part(&file, "test", classes.len())?);
    let shape = |samples: &Samples| (samples.channels, samples.height, samples.width);
    let kind = |samples: &Samples| std::mem::discriminant(&samples.values);
    if shape(&train) != shape(&test) || kind(&train) != kind(&test) {
        return Err(bad("its training and test part differ in shape".to_owned()));
    }
    let scale = match &train.values {
        Values::Pixels(_) => None,
        Values::Features(_) => Some(Scale {
            mean: features(&file, "mean", train.width)?,
            deviation: features(&file, "deviation", train.width)?,
        }),
    };
    let features = if scale.is_some() { train.width } else { 0 };
    if ![0, features].contains(&columns.len()) {
        return Err(bad(format!("it names {} columns, and has {features}", columns.len())));
    }
    let digest = Digest::of(bytes).to_string();
    Ok(Dataset { name: name.to_owned(), classes, train, test, scale, columns, digest })
}

fn part(file: &SafeTensors<'_>, part: &str, classes: usize) -> Result<Samples, DataError> {
    let bad = |problem: String| DataError::Object(problem);
    let label_name = format!("{part}_labels");
    let labels = file.tensor(&label_name).map_err(|_| bad(format!("`{label_name}` is missing")))?;
    let samples = if let Ok(images) = file.tensor(&format!("{part}_images")) {
        match (images.dtype(), images.shape()) {
            (Dtype::U8, &[count, channels, height, width]) => {
                let shape = [count, channels, height, width];
                Samples::images(shape, images.data().to_vec(), labels.data().to_vec())
            }
            (dtype, shape) => return Err(bad(format!("`{part}_images` is {dtype:?} {shape:?}"))),
        }
    } else {
        let name = format!("{part}_features");
        let tensor = file.tensor(&name).map_err(|_| bad(format!("`{name}` is missing")))?;
        let &[count, width] = tensor.shape() else {
            return Err(bad(format!("`{name}` has shape {:?}", tensor.shape())));
        };
        let rows = count.checked_mul(width).ok_or_else(|| bad(format!("`{name}` is too large")))?;
        Samples::table([count, width], features(file, &name, rows)?, labels.data().to_vec())
    };
    if samples.count == 0 || samples.size() == 0 {
        return Err(bad(format!("its {part} part is empty")));
    }
    if (labels.dtype(), labels.shape()) != (Dtype::U8, &[samples.count]) {
        return Err(bad(format!("`{label_name}` is not one byte for each of {} samples", samples.count)));
    }
    match samples.labels.iter().find(|label| usize::from(**label) >= classes) {
        Some(label) => Err(bad(format!("it has label {label}, but there are {classes} classes"))),
        None => Ok(samples),
    }
}

/// So many finite numbers of a tensor.
fn features(file: &SafeTensors<'_>, name: &str, count: usize) -> Result<Vec<f32>, DataError> {
    let bad = |problem: &str| DataError::Object(format!("`{name}` {problem}"));
    let tensor = file.tensor(name).map_err(|_| bad("is missing"))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape().iter().product::<usize>() != count {
        return Err(bad("is not what its table needs"));
    }
    let numbers = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let numbers: Vec<f32> = numbers.collect();
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err(bad("holds a number that is not finite"))
    }
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    fn images() -> [Samples; 2] {
        let train = Samples::images([2, 3, 1, 2], (0..12).collect(), vec![0, 1]);
        [train, Samples::images([1, 3, 1, 2], vec![9; 6], vec![1])]
    }

    fn table() -> [Samples; 2] {
        let train = Samples::table([2, 3], vec![0.5, 1.0, 7.0, -0.5, 3.0, 7.0], vec![0, 1]);
        [train, Samples::table([1, 3], vec![0.0, 2.0, 9.0], vec![1])]
    }

    #[test]
    fn what_is_packed_is_unpacked_and_its_bytes_are_canonical() {
        for [train, test] in [images(), table()] {
            let bytes = pack(&train, &test, (&names(), &[])).unwrap();
            assert_eq!(bytes, pack(&train, &test, (&names(), &[])).unwrap());
            let dataset = verified("mine", &bytes).unwrap();
            assert_eq!((&dataset.train, &dataset.test, &dataset.classes), (&train, &test, &names()));
            assert_eq!(dataset.scale, Scale::of(&train));
            assert_eq!(dataset.digest, Digest::of(&bytes).to_string());
            let facts = dataset.facts().unwrap();
            assert_eq!((facts.train, facts.test, facts.shape().classes), (2, 1, 2));
            assert_eq!(facts.width as usize, train.width);
        }
    }

    #[test]
    fn the_digest_of_a_packed_data_set_is_the_same_for_ever() {
        let [train, test] = images();
        let digest = Digest::of(&pack(&train, &test, (&names(), &[])).unwrap());
        assert_eq!(digest.short(), "948dd62f");
    }

    #[test]
    fn the_columns_of_a_table_keep_their_names() {
        let [train, test] = table();
        let columns = ["a", "b", "\"c\""].map(str::to_owned);
        let bytes = pack(&train, &test, (&names(), &columns)).unwrap();
        assert_eq!(verified("mine", &bytes).unwrap().columns, columns);
        assert_ne!(bytes, pack(&train, &test, (&names(), &[])).unwrap());
        let few = pack(&train, &test, (&names(), &columns[..2])).unwrap();
        let problem = verified("mine", &few).unwrap_err().to_string();
        assert!(problem.contains("it names 2 columns, and has 3"), "{problem}");
        let [train, test] = images();
        let of_images = pack(&train, &test, (&names(), &columns)).unwrap();
        assert!(verified("mine", &of_images).is_err());
    }

    #[test]
    fn what_was_not_packed_so_is_refused() {
        let [train, test] = table();
        let bytes = pack(&train, &test, (&names(), &[])).unwrap();
        let problem = |bytes: &[u8]| verified("mine", bytes).unwrap_err().to_string();
        let mut padded = bytes.clone();
        padded.push(0);
        let mut scaled = bytes.clone();
        let mean = SafeTensors::deserialize(&bytes).unwrap().tensor("mean").unwrap().data().as_ptr();
        scaled[mean.addr() - bytes.as_ptr().addr()] ^= 1;
        for damaged in [&bytes[..bytes.len() - 1], &padded[..], &scaled[..], b"", b"no file at all"] {
            assert!(
                problem(damaged).starts_with("the packed data set cannot be used: "),
                "{}",
                problem(damaged)
            );
        }
        let [other, _] = images();
        let mixed = pack(&train, &other, (&names(), &[])).unwrap();
        assert!(problem(&mixed).contains("differ in shape"), "{}", problem(&mixed));
        let few = pack(&train, &test, (&names()[..1], &[])).unwrap();
        assert!(problem(&few).contains("it has label 1, but there are 1 classes"), "{}", problem(&few));
    }

    #[test]
    fn names_that_could_do_anything_to_a_terminal_are_refused() {
        let [train, test] = table();
        for (class, says) in [("a\u{1b}[2J", "has a control character"), (&"a".repeat(201), "more than 200")]
        {
            let classes = [class.to_owned(), "b".to_owned()];
            let bytes = pack(&train, &test, (&classes, &[])).unwrap();
            let problem = verified("mine", &bytes).unwrap_err().to_string();
            assert!(problem.contains("the name of class 0, `a") && problem.contains(says), "{problem}");
            assert!(!problem.contains('\u{1b}') && unpack("mine", &bytes).is_ok());
        }
    }

    #[test]
    fn a_header_that_claims_too_much_is_not_read() {
        let [train, test] = images();
        let mut bytes = pack(&train, &test, (&names(), &[])).unwrap();
        bytes[..8].copy_from_slice(&(LARGEST_HEADER + 1).to_le_bytes());
        assert!(unpack("mine", &bytes).unwrap_err().to_string().contains("more than is read"));
    }

    proptest! {
        /// Of a changed object, either nothing is believed, or it is canonical and another data set.
        #[test]
        fn a_changed_object_is_refused_or_another(changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
            for [train, test] in [images(), table()] {
                let packed = pack(&train, &test, (&names(), &[])).unwrap();
                let mut bytes = packed.clone();
                for (at, flip) in &changes {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] ^= flip;
                }
                if let Ok(dataset) = verified("mine", &bytes) {
                    prop_assert_eq!(dataset.digest, Digest::of(&bytes).to_string());
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack("mine", &bytes);
        }
    }
}
