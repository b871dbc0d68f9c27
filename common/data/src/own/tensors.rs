//! Tensors: `train_images` and `train_labels`, and `test_images` and `test_labels` where they are there.

use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Found, contents, labels, unusable};
use crate::{DataError, Samples};

/// Reads a safetensors file: bytes of images, or numbers of a table.
pub(super) fn read(path: &Path, names: Option<&[String]>) -> Result<Found, DataError> {
    let bytes = contents(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        // Behind the header's length, it begins with a brace.
        let damaged = bytes.get(8..).is_some_and(|rest| rest.starts_with(b"{"));
        let problem = match damaged {
            true => format!("it is a damaged safetensors file: {error}"),
            false => "it is no safetensors file".to_owned(),
        };
        unusable(path, problem)
    })?;
    let train = part(path, &file, "train")?
        .ok_or_else(|| unusable(path, "it has neither `train_images` nor `train_features`"))?;
    let test = part(path, &file, "test")?;
    let classes = labels::named(path, &train.labels, names)?;
    for samples in [Some(&train), test.as_ref()].into_iter().flatten() {
        labels::in_range(path, &samples.labels, &classes)?;
    }
    let shape =
        |samples: &Samples| (samples.channels, samples.height, samples.width, samples.pixels().is_some());
    if test.as_ref().is_some_and(|test| shape(test) != shape(&train)) {
        return Err(unusable(path, "training and test samples differ in shape"));
    }
    Ok(Found { train, test, classes, columns: Vec::new() })
}

/// The samples of a part.
///
/// Images whose second size is 1, 3 or 4 have their channels there; where it is another and their last is one of these,
/// they have them last, and are refused.
fn part(path: &Path, file: &SafeTensors<'_>, part: &str) -> Result<Option<Samples>, DataError> {
    let (images, features) = (format!("{part}_images"), format!("{part}_features"));
    let found = [images, features].into_iter().find_map(|name| Some((file.tensor(&name).ok()?, name)));
    let Some((values, name)) = found else { return Ok(None) };
    let label_name = format!("{part}_labels");
    let missing = |_| unusable(path, format!("it has `{name}` and no `{label_name}`"));
    let labels = classes(path, &label_name, &file.tensor(&label_name).map_err(missing)?)?;
    let samples = match (values.dtype(), values.shape()) {
        (Dtype::U8, &[count, height, width]) => {
            Samples::images([count, 1, height, width], values.data().to_vec(), labels)
        }
        (Dtype::U8, &[count, height, width, channels @ (1 | 3 | 4)]) if ![1, 3, 4].contains(&height) => {
            let problem = format!(
                "`{name}` is U8 [{count}, {height}, {width}, {channels}], channels last: images are \
                 [samples, channels, height, width]; numpy np.ascontiguousarray({name}.transpose(0, 3, 1, 2))"
            );
            return Err(unusable(path, problem));
        }
        (Dtype::U8, &[count, channels, height, width]) => {
            Samples::images([count, channels, height, width], values.data().to_vec(), labels)
        }
        (Dtype::F32 | Dtype::F64, &[count, width]) => {
            Samples::table([count, width], numbers(path, &name, &values)?, labels)
        }
        (dtype, shape) => {
            let problem = format!(
                "`{name}` is {dtype:?} {shape:?}: images are U8 [samples, channels, height, width] or [samples, \
                 height, width], tables F32 [samples, features]"
            );
            return Err(unusable(path, problem));
        }
    };
    if samples.count == 0 || samples.size() == 0 {
        return Err(unusable(path, format!("`{name}` is empty")));
    }
    if samples.labels.len() != samples.count {
        let problem =
            format!("it has {} labels for {} samples of `{name}`", samples.labels.len(), samples.count);
        return Err(unusable(path, problem));
    }
    Ok(Some(samples))
}

fn numbers(path: &Path, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, DataError> {
    let data = tensor.data();
    let numbers: Vec<f32> = match tensor.dtype() {
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        _ => data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    };
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => {
            let width = tensor.shape().get(1).copied().unwrap_or(1);
            let problem =
                format!("`{name}` holds {} at row {}, column {}", numbers[at], at / width, at % width);
            Err(unusable(path, problem))
        }
        None => Ok(numbers),
    }
}

/// Labels of any whole type as bytes.
fn classes(path: &Path, name: &str, tensor: &TensorView<'_>) -> Result<Vec<u8>, DataError> {
    let data = tensor.data();
    let labels: Vec<i64> = match tensor.dtype() {
        Dtype::U8 => data.iter().map(|label| i64::from(*label)).collect(),
        Dtype::I32 => data.as_chunks::<4>().0.iter().map(|b| i64::from(i32::from_le_bytes(*b))).collect(),
        Dtype::I64 => data.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        other => return Err(unusable(path, format!("`{name}` is {other:?}: labels are U8, I32 or I64"))),
    };
    let byte = |(at, label): (usize, i64)| {
        u8::try_from(label).map_err(|_| {
            unusable(
                path,
                format!("label {label} of sample {at} in `{name}` is out of range: labels are 0 to 255"),
            )
        })
    };
    labels.into_iter().enumerate().map(byte).collect()
}
