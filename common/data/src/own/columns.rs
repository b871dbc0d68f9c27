//! Tables: a head, columns of numbers, and one of labels.

mod lines;

use std::{collections::HashSet, fs::File, io::Read, path::Path};

use csv::{ErrorKind, StringRecord};

use self::lines::Lines;
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
    let columns = train.features.clone();
    Ok(Found { train: samples(&train_file, train, &classes)?, test, classes, columns })
}

/// Rows of a table with a head, for a model that takes so many features: line by line its number and its features.
///
/// Where the features have names, they are found by them, in any order, and other columns are left alone, also those
/// without a name. Where they have none, the table's columns are the features.
///
/// # Errors
///
/// [`DataError::Unusable`] where a column is missing or holds no finite number, or where features without names are not as
/// many as the columns.
pub fn unlabelled(
    path: &Path,
    input: impl Read,
    (names, width): (&[String], usize),
) -> Result<Vec<(u64, Vec<f32>)>, DataError> {
    let mut table = Table::open(path, input)?;
    let places: Vec<usize> = if names.is_empty() {
        (0..table.head.len()).collect()
    } else {
        let place = |name: &String| {
            table.place(name).ok_or_else(|| {
                unusable(path, format!("it has no column `{name}`: the model takes {}", names.join(", ")))
            })
        };
        names.iter().map(place).collect::<Result<_, _>>()?
    };
    if places.len() != width {
        let problem = format!("it has {} columns, and the model takes {width} features", places.len());
        return Err(unusable(path, problem));
    }
    let mut rows = Vec::new();
    while let Some((line, record)) = table.next()? {
        let features = places.iter().map(|at| table.number(line, &record, *at)).collect::<Result<_, _>>()?;
        rows.push((line, features));
    }
    if rows.is_empty() { Err(unusable(path, "it has no row")) } else { Ok(rows) }
}

fn rows(path: &Path, label: &str) -> Result<Rows, DataError> {
    let file = File::open(path).map_err(|error| unusable(path, error.to_string()))?;
    let mut table = Table::open(path, file)?;
    // Such a column is a number of the row more often than a feature, and may tell the label.
    if let Some(at) = table.head.iter().position(String::is_empty) {
        let problem = format!(
            "column {} has no name: name it or leave it out (pandas: to_csv(…, index=False))",
            at + 1
        );
        return Err(unusable(path, problem));
    }
    let Some(column) = table.place(label) else {
        let problem = format!(
            "it has no column `{label}`: name the column of labels with --label, one of {}",
            table.head.join(", ")
        );
        return Err(unusable(path, problem));
    };
    let places: Vec<usize> = (0..table.head.len()).filter(|at| *at != column).collect();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    while let Some((line, record)) = table.next()? {
        for at in &places {
            values.push(table.number(line, &record, *at)?);
        }
        match &record[column] {
            "" => return Err(table.no(line, &record, (column, "label"))),
            label => labels.push(label.to_owned()),
        }
    }
    let features: Vec<String> = places.iter().map(|at| table.head[*at].clone()).collect();
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

/// What is said of a file that holds other things than text.
const NO_TEXT: &str = "it is no text file: save the table as CSV in UTF-8";

/// That a table cannot be read any further.
fn unreadable(path: &Path, line: u64, error: &csv::Error) -> DataError {
    let problem = match error.kind() {
        ErrorKind::Utf8 { .. } => format!("line {line} is no text in UTF-8: save the table as CSV in UTF-8"),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "line {line} has {}, and the head {}",
                values(*len, "value"),
                values(*expected_len, "column")
            )
        }
        ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    unusable(path, problem)
}

fn values(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A table as it is read, line by line.
struct Table<'a, R> {
    path: &'a Path,
    head: Vec<String>,
    reader: csv::Reader<Lines<R>>,
}

impl<'a, R: Read> Table<'a, R> {
    /// Reads the head, in which no name stands twice.
    fn open(path: &'a Path, input: R) -> Result<Self, DataError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(Lines::new(input));
        let head = reader.headers().map_err(|error| match error.kind() {
            // In the head there is no telling a binary file from a text in another encoding.
            ErrorKind::Utf8 { .. } => unusable(path, NO_TEXT),
            _ => unreadable(path, 1, &error),
        })?;
        let head: Vec<String> = head.iter().map(str::to_owned).collect();
        if head.is_empty() {
            return Err(unusable(path, "it is empty: its first line is to name the columns"));
        }
        if head.iter().any(|name| name.contains('\0')) {
            return Err(unusable(path, NO_TEXT));
        }
        if let [only] = head.as_slice()
            && let Some(separator) = [';', '\t', '|'].into_iter().find(|separator| only.contains(*separator))
        {
            let problem =
                format!("its columns stand between `{}`: write it with commas", separator.escape_default());
            return Err(unusable(path, problem));
        }
        let mut seen = HashSet::new();
        match head.iter().find(|name| !name.is_empty() && !seen.insert(*name)) {
            Some(name) => Err(unusable(path, format!("two of its columns are called `{name}`"))),
            None => Ok(Self { path, head, reader }),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.head.iter().position(|column| column == name)
    }

    /// The next row, with the line that it begins in.
    fn next(&mut self) -> Result<Option<(u64, StringRecord)>, DataError> {
        let mut record = StringRecord::new();
        let from = self.reader.position().byte();
        let read = self.reader.read_record(&mut record);
        let line = self.reader.get_mut().next_from(from);
        let more = read.map_err(|error| unreadable(self.path, line, &error))?;
        Ok(more.then_some((line, record)))
    }

    /// The number in a column of a row.
    fn number(&self, line: u64, record: &StringRecord, at: usize) -> Result<f32, DataError> {
        let number = record[at].parse().ok().filter(|number: &f32| number.is_finite());
        number.ok_or_else(|| self.no(line, record, (at, "finite number")))
    }

    /// That a cell is not what it should be.
    fn no(&self, line: u64, record: &StringRecord, (at, expected): (usize, &str)) -> DataError {
        let (column, cell) = (&self.head[at], &record[at]);
        unusable(self.path, format!("line {line}: column `{column}` is `{cell}`, which is no {expected}"))
    }
}
