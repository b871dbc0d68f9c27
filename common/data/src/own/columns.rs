//! Tables: a head, columns of numbers, and one of labels.

use std::path::Path;

use super::{Found, labels, unusable};
use crate::{DataError, Samples};

/// A file's rows.
struct Rows {
    /// Names of the columns but the labels'.
    features: Vec<String>,
    values: Vec<f32>,
    labels: Vec<String>,
}

/// Reads one file, or `train.csv` and, where it is there, `test.csv` of a folder.
pub(super) fn read(path: &Path, label: &str) -> Result<Found, DataError> {
    let [train_file, test_file] = if path.is_dir() {
        ["train.csv", "test.csv"].map(|name| path.join(name))
    } else {
        [path.to_owned(), path.join("none")]
    };
    let train = rows(&train_file, label)?;
    let test = test_file.is_file().then(|| rows(&test_file, label)).transpose()?;
    let classes = labels::number(&train_file, train.labels.clone())?;
    if let Some(test) = &test
        && test.features != train.features
    {
        return Err(unusable(&test_file, format!("its columns are not those of `{}`", train_file.display())));
    }
    let test = test.map(|test| samples(&test_file, test, &classes)).transpose()?;
    Ok(Found { train: samples(&train_file, train, &classes)?, test, classes })
}

fn rows(path: &Path, label: &str) -> Result<Rows, DataError> {
    let failed = |error: csv::Error| unusable(path, error.to_string());
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(failed)?;
    let head: Vec<String> = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
    let Some(column) = head.iter().position(|name| name == label) else {
        let problem = format!(
            "it has no column `{label}`: name the column of labels with --label, one of {}",
            head.join(", ")
        );
        return Err(unusable(path, problem));
    };
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        for (at, cell) in record.iter().enumerate() {
            if at == column && !cell.is_empty() {
                labels.push(cell.to_owned());
                continue;
            }
            match cell.parse::<f32>() {
                Ok(value) if at != column && value.is_finite() => values.push(value),
                _ => {
                    let expected = if at == column { "label" } else { "finite number" };
                    let problem =
                        format!("line {line}: column `{}` is `{cell}`, which is no {expected}", head[at]);
                    return Err(unusable(path, problem));
                }
            }
        }
    }
    let features: Vec<String> =
        head.into_iter().enumerate().filter(|(at, _)| *at != column).map(|(_, n)| n).collect();
    if labels.is_empty() || features.is_empty() {
        return Err(unusable(path, "it has no row, or no column besides the labels"));
    }
    Ok(Rows { features, values, labels })
}

fn samples(path: &Path, rows: Rows, classes: &[String]) -> Result<Samples, DataError> {
    let number = |(at, name): (usize, &String)| {
        let label = classes.iter().position(|class| class == name);
        // A list of classes is no longer than a byte counts.
        label.map(|label| label as u8).ok_or_else(|| {
            unusable(path, format!("row {}: label `{name}` does not occur among the training labels", at + 1))
        })
    };
    let labels = rows.labels.iter().enumerate().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(Samples::table([labels.len(), rows.features.len()], rows.values, labels))
}
