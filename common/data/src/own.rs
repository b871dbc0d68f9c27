//! One's own data: read from files as they are, checked, and packed into one object.

mod columns;
pub use columns::unlabelled;

mod folder;

mod idx;

mod labels;

mod picture;

mod tensors;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use common::split::{self, Parts};

use crate::{DataError, Dataset, Samples, Values, packed};

/// The share of each class that becomes the test part where nothing else is said.
const TEST_SHARE: f64 = 0.2;

/// What files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// IDX files of grey images, plain or gzip.
    Idx,
    /// A folder of PNG or JPEG images in folders named by class.
    Folder,
    /// A table with a head and a column of labels.
    Csv,
    /// Tensors of samples and labels.
    Safetensors,
}

/// How files are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What files there are.
    pub format: Format,
    /// The column of labels in a table.
    pub label: String,
    /// What class 0, class 1, … are called, where the files say only their numbers.
    pub classes: Option<Vec<String>>,
    /// The share of each class that becomes the test part where the files have none; a fifth where it is left out.
    pub test_share: Option<f64>,
    /// The seed by which that share is drawn; 0 where it is left out.
    pub seed: Option<u64>,
}

/// A data set and the object that it is packed into.
#[derive(Debug)]
pub struct Packed {
    /// The data set.
    pub dataset: Dataset,
    /// The object; its digest is the data set's.
    pub bytes: Vec<u8>,
}

/// What the files hold.
struct Found {
    train: Samples,
    test: Option<Samples>,
    classes: Vec<String>,
    /// What a table's features are called; nothing where they have no names.
    columns: Vec<String>,
}

/// Reads files into a data set and packs it. Nothing is written.
pub fn read(name: &str, path: &Path, reading: &Reading) -> Result<Packed, DataError> {
    let found = match reading.format {
        Format::Idx => idx::read(path, reading.classes.as_deref()),
        Format::Folder => folder::read(path),
        Format::Csv => columns::read(path, &reading.label),
        Format::Safetensors => tensors::read(path, reading.classes.as_deref()),
    };
    let Found { train, test, classes, columns } = found?;
    more_than_one_class(path, &classes, reading)?;
    if let Some(flaw) = packed::flaw_of_names(&classes, &columns) {
        return Err(unusable(path, format!("{flaw}: name it otherwise")));
    }
    let (train, test, drawn) = match test {
        Some(_) if reading.test_share.is_some() || reading.seed.is_some() => {
            let problem =
                "it has a test part, so there is no share to draw: leave --test-share and --seed out";
            return Err(unusable(path, problem));
        }
        Some(test) => (train, test, None),
        None => {
            let parts = divided(path, &train.labels, reading)?;
            (train.pick(&parts.train), train.pick(&parts.validation), Some(parts))
        }
    };
    every_class_is_trained(path, &train, &classes, drawn.is_some())?;
    if test.count == 0 {
        return Err(unusable(path, "its test part is empty"));
    }
    let bytes = packed::pack(&train, &test, (&classes, &columns))?;
    let dataset = packed::unpack(name, &bytes)?;
    all_is_finite(path, &dataset, drawn.as_ref())?;
    Ok(Packed { dataset, bytes })
}

/// Which samples train and which test, of files that have only one part.
fn divided(path: &Path, labels: &[u8], reading: &Reading) -> Result<Parts, DataError> {
    let share = reading.test_share.unwrap_or(TEST_SHARE);
    if !(share > 0.0 && share < 1.0) {
        return Err(unusable(path, format!("a test share of {share} is not between 0 and 1")));
    }
    let mut classes = BTreeSet::new();
    if labels.iter().all(|label| classes.insert(label)) {
        let problem = "each class has one sample, so none is left to test on, whatever --test-share says: add \
                       samples, or a test part";
        return Err(unusable(path, problem));
    }
    let parts = split::share(labels, share, reading.seed.unwrap_or(0));
    if parts.validation.is_empty() {
        let problem =
            format!("a test share of {share} leaves no sample to test on: name a larger --test-share");
        return Err(unusable(path, problem));
    }
    Ok(parts)
}

/// Refuses a table of which a number is infinite once it is standardised: what is far from its column's mean can be so,
/// though it is finite itself. Rows are those of the file where the parts were drawn from it, else those of the part.
fn all_is_finite(path: &Path, dataset: &Dataset, drawn: Option<&Parts>) -> Result<(), DataError> {
    let Some(scale) = &dataset.scale else { return Ok(()) };
    for (part, samples, rows) in [
        ("training", &dataset.train, drawn.map(|parts| &parts.train)),
        ("test", &dataset.test, drawn.map(|parts| &parts.validation)),
    ] {
        let Values::Features(features) = &samples.values else { continue };
        for (at, row) in features.chunks_exact(samples.width.max(1)).enumerate() {
            let standardised = scale.standardised(row);
            let Some(column) = standardised.iter().position(|number| !number.is_finite()) else { continue };
            let of = if rows.is_some() { String::new() } else { format!(" of the {part} part") };
            let at = rows.map_or(at, |rows| rows[at] as usize);
            // As where they are read: rows below a head are counted from 1, those of tensors from 0.
            let place = match dataset.columns.get(column) {
                Some(name) => format!("row {}{of}, column `{name}`", at + 1),
                None => format!("row {at}{of}, column {column}"),
            };
            let problem = format!(
                "{place}: {:e} is too far from the column's mean to be standardised: scale the column, or \
                 leave the row out",
                row[column]
            );
            return Err(unusable(path, problem));
        }
    }
    Ok(())
}

/// Refuses a single class: every model is right about it, and none learns anything.
fn more_than_one_class(path: &Path, classes: &[String], reading: &Reading) -> Result<(), DataError> {
    let [only] = classes else { return Ok(()) };
    let help = match reading.format {
        Format::Folder => "name the folder that holds one folder of images for each class",
        Format::Csv => "name another column of labels with --label, or add rows of other classes",
        Format::Idx | Format::Safetensors => "the labels must name two at least",
    };
    Err(unusable(
        path,
        format!("all its samples are of one class, `{only}`, so there is nothing to learn: {help}"),
    ))
}

/// Refuses a class without training samples; whether the test part was drawn, and may have taken them.
fn every_class_is_trained(
    path: &Path,
    train: &Samples,
    classes: &[String],
    drawn: bool,
) -> Result<(), DataError> {
    let trained: BTreeSet<u8> = train.labels.iter().copied().collect();
    let Some(label) = (0..classes.len()).find(|label| !trained.contains(&(*label as u8))) else {
        return Ok(());
    };
    let why = if drawn { ": the test part took all it has, a smaller --test-share leaves some" } else { "" };
    Err(unusable(path, format!("class `{}` (label {label}) has no training sample{why}", classes[label])))
}

fn unusable(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::Unusable { path: path.to_owned(), problem: problem.into() }
}

fn contents(path: &Path) -> Result<Vec<u8>, DataError> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => unusable(path, "it is a folder: name the file in it"),
        _ => unusable(path, error.to_string()),
    })
}

/// What a folder holds, in the order of names; hidden files are left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            unusable(folder, "it is no folder: name the one that holds a folder of images for each class")
        }
        _ => unusable(folder, error.to_string()),
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
