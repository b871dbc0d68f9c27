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
    let numbers = names.iter().all(|name| name.parse::<f64>().is_ok());
    let why =
        if numbers { ": each number is a class of its own, as regression is not supported" } else { "" };
    most(path, names.len(), why)?;
    Ok(names)
}

/// Classes of labels that are numbers: those that are named, each by a name of its own without spaces around it, or as
/// many as the training labels need.
pub(super) fn named(path: &Path, train: &[u8], names: Option<&[String]>) -> Result<Vec<String>, DataError> {
    match names {
        Some(names) => {
            most(path, names.len(), "")?;
            let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
            for (label, name) in names.iter().enumerate() {
                if name.is_empty() {
                    let problem = format!("--classes has no name for class {label}: name each class once");
                    return Err(unusable(path, problem));
                }
                if names[..label].contains(name) {
                    let problem = format!("--classes has `{name}` twice: name each class once");
                    return Err(unusable(path, problem));
                }
            }
            Ok(names)
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

fn most(path: &Path, classes: usize, why: &str) -> Result<(), DataError> {
    if classes <= DataFacts::MOST_CLASSES {
        return Ok(());
    }
    Err(unusable(
        path,
        format!("it has {classes} classes, and {} are the most{why}", DataFacts::MOST_CLASSES),
    ))
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

    #[test]
    fn each_class_has_one_name_of_its_own() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            named(Path::new("digits"), &[0, 1], Some(&names)).map_err(|error| error.to_string())
        };
        assert_eq!(named(&["cat", " dog "]), Ok(vec!["cat".to_owned(), "dog".to_owned()]));
        for (names, says) in [
            (&["cat", "dog", "cat"][..], "`digits`: --classes has `cat` twice: name each class once"),
            (&["cat", " cat"], "`digits`: --classes has `cat` twice: name each class once"),
            (&["cat", ""], "`digits`: --classes has no name for class 1: name each class once"),
            (&[" "], "`digits`: --classes has no name for class 0: name each class once"),
        ] {
            assert_eq!(named(names), Err(says.to_owned()));
        }
    }
}
