//! Labels as numbers of classes.

use std::path::Path;

use common::study::DataFacts;

use super::unusable;
use crate::DataError;

/// Numbers the classes that texts name: by value where all are whole numbers, else by name.
pub(super) fn number(path: &Path, mut names: Vec<String>) -> Result<Vec<String>, DataError> {
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
    } else {
        names.sort();
    }
    names.dedup();
    most(path, names.len())?;
    Ok(names)
}

/// Classes of labels that are numbers: those that are named, or as many as the training labels need.
pub(super) fn named(path: &Path, train: &[u8], names: Option<&[String]>) -> Result<Vec<String>, DataError> {
    match names {
        Some(names) => {
            most(path, names.len())?;
            Ok(names.to_vec())
        }
        None => Ok((0..=train.iter().copied().max().unwrap_or(0)).map(|label| label.to_string()).collect()),
    }
}

/// Refuses labels that are no class.
pub(super) fn in_range(path: &Path, labels: &[u8], classes: &[String]) -> Result<(), DataError> {
    match labels.iter().position(|label| usize::from(*label) >= classes.len()) {
        None => Ok(()),
        Some(at) => Err(unusable(
            path,
            format!(
                "label {} of sample {at} is out of range: there are {} classes",
                labels[at],
                classes.len()
            ),
        )),
    }
}

fn most(path: &Path, classes: usize) -> Result<(), DataError> {
    if classes <= DataFacts::MOST_CLASSES {
        return Ok(());
    }
    Err(unusable(path, format!("it has {classes} classes, and {} are the most", DataFacts::MOST_CLASSES)))
}
