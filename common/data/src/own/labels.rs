//! Labels as numbers of classes.

use std::path::Path;

use common::study::DataFacts;

use super::unusable;
use crate::DataError;

/// Numbers the classes that texts name: by value where all are whole numbers, else by name. Each text is a class, so one
/// number written in two ways is two.
pub(super) fn number(path: &Path, mut names: Vec<String>) -> Result<Vec<String>, DataError> {
    names.sort();
    names.dedup();
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_their_order_and_each_text_is_one_class() {
        for (texts, classes) in [
            (&["10", "9", "-1", "9"][..], &["-1", "9", "10"][..]),
            (&["1", "01", "1", "2", "01"], &["01", "1", "2"]),
            (&["7", "+7", "007", "7", "-0", "0", "-0"], &["-0", "0", "+7", "007", "7"]),
            (&["b", "10", "9", "b"], &["10", "9", "b"]),
        ] {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(number(Path::new("labels.csv"), texts).unwrap(), classes);
        }
    }
}
