//! `rung data add`.

use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use common::{ids::DataName, split, study::DataFacts, view::DataView};
use data::{Format, Packed, Reading};
use serde::Serialize;

use super::{
    super::{
        args::{FormatArgs, TargetArgs},
        embedded::with_coordinator,
        failure::Failure,
        input::whole,
        output::{self, Show, Table},
        text::count,
    },
    list,
};
use crate::{client::Remote, driver::check_name};

/// Flags of `rung data add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What studies will call it: a-z, 0-9 and -
    #[arg(value_name = "NAME")]
    name: DataName,
    /// The file or folder to read
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What the files are
    #[arg(long = "format", value_enum, value_name = "FORMAT")]
    files: FileFormat,
    /// The column of labels in a table [default: label]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// What class 0, 1, … are called, for IDX files and tensors [default: their numbers]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    classes: Option<Vec<String>>,
    /// The share of each class that becomes the test part where the files have none [default: 0.2]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    test_share: Option<f64>,
    /// The seed by which that share is drawn [default: 0]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// What files there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// A folder of IDX files of grey images, plain or .gz
    Idx,
    /// A folder of PNG or JPEG images in folders named by class, perhaps with train/ and test/ above
    Folder,
    /// A table with a head: one file, or a folder with train.csv and test.csv
    Csv,
    /// A file of tensors: train_images or train_features, train_labels, and the same of test
    Safetensors,
}

impl AddArgs {
    fn reading(&self) -> Result<Reading, Failure> {
        let (format, numbered) = match self.files {
            FileFormat::Idx => (Format::Idx, true),
            FileFormat::Folder => (Format::Folder, false),
            FileFormat::Csv => (Format::Csv, false),
            FileFormat::Safetensors => (Format::Safetensors, true),
        };
        if self.label.is_some() && format != Format::Csv {
            return Err(Failure::bad_input("--label names a column, and only --format csv has columns"));
        }
        if self.classes.is_some() && !numbered {
            return Err(Failure::bad_input(
                "--classes is for --format idx and safetensors: these files name theirs",
            ));
        }
        Ok(Reading {
            format,
            label: self.label.clone().unwrap_or_else(|| "label".to_owned()),
            classes: self.classes.clone(),
            test_share: self.test_share,
            seed: self.seed,
        })
    }
}

/// Reads files, packs them and stores the object. Nothing is stored where anything is wrong.
pub(super) async fn run(args: AddArgs) -> Result<(), Failure> {
    let reading = args.reading()?;
    check_name(&args.name).map_err(Failure::bad_input)?;
    let (name, path) = (args.name.to_string(), args.path.clone());
    let read = tokio::task::spawn_blocking(move || data::read(&name, &path, &reading));
    let Packed { bytes, dataset } = read.await??;
    let holdout = split::holdout(&dataset.train.labels, dataset.classes.len(), &dataset.digest, 0);
    let bytes = Bytes::from(bytes);
    let add = async |remote: &Remote| remote.add_data(&args.name, bytes.clone()).await;
    let set = with_coordinator(&args.target.target(), None, add).await?;
    output::message(&match holdout.validation.is_empty() {
        false => format!("a study trains on it with `data: {{name: {}}}`", set.name),
        // What each trial would find only when it begins.
        true => format!(
            "it is small: no class has five training samples, and so a tenth to validate on. A study trains on it with \
             `data: {{name: {}, split: none}}` and an objective of training, as `objective: {{metric: train_loss}}`",
            set.name
        ),
    });
    if let Some(note) = numbers_as_classes(&set.facts.classes) {
        output::message(&note);
    }
    output::show(&Added::from(set), args.output.format)
}

/// What is said where classes are numbers that are not whole: somebody may have meant to fit them.
fn numbers_as_classes(classes: &[String]) -> Option<String> {
    let numbers: Option<Vec<f64>> = classes.iter().map(|class| class.parse().ok()).collect();
    let at = numbers?.iter().position(|number| number.fract() != 0.0)?;
    Some(format!(
        "its labels are numbers such as {}: each of the {} is a class of its own, as regression is not supported",
        classes[at],
        classes.len()
    ))
}

/// Takes a number; which share makes sense is said where the files are read.
fn share(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "a number is expected, for example 0.2".to_owned())
}

/// The data set as it is stored. The keys and their order are fixed.
#[derive(Debug, Serialize)]
struct Added {
    name: DataName,
    facts: DataFacts,
    size: u64,
    /// A date, as studies and tokens have it.
    created: String,
}

impl From<DataView> for Added {
    fn from(set: DataView) -> Self {
        let DataView { name, facts, size, created } = set;
        Self { name, facts, size, created: created.to_string() }
    }
}

impl Show for Added {
    fn table(&self) -> String {
        let Self { name, facts, size, .. } = self;
        let classes = match facts.classes.as_slice() {
            few if few.len() <= 12 => few.join(", "),
            many => format!("{}, … ({})", many[..11].join(", "), many.len()),
        };
        output::facts(&[
            ("data set", name.to_string()),
            ("digest", facts.digest.to_string()),
            ("samples", format!("{} to train, {} to test", count(facts.train), count(facts.test))),
            ("each", format!("{} ({})", list::sample(facts), facts.kind.as_str())),
            ("classes", classes),
            ("size", format!("{} KiB", count(size.div_ceil(1024)))),
        ])
    }

    fn csv(&self) -> Table {
        let Self { name, facts, size, .. } = self;
        let mut table = Table::new(["name", "digest", "train", "test", "classes", "size"]);
        let numbers = [u64::from(facts.train), u64::from(facts.test), facts.classes.len() as u64, *size];
        let cells = [name.to_string(), facts.digest.to_string()];
        table.row(cells.into_iter().chain(numbers.map(|number| number.to_string())));
        table
    }
}

#[cfg(test)]
mod tests {
    use common::time::Timestamp;

    use super::*;

    #[test]
    fn json_has_a_date() {
        let facts = DataFacts::known("fashion-mnist").unwrap();
        let created = Timestamp(1_795_442_709_123);
        let added = Added::from(DataView { name: "mine".parse().unwrap(), facts, size: 7, created });
        let json = serde_json::to_string(&added).unwrap();
        assert!(json.starts_with(r#"{"name":"mine","facts":{"#), "{json}");
        assert!(json.ends_with(r#""size":7,"created":"2026-11-23T14:05:09Z"}"#), "{json}");
    }

    #[test]
    fn numbers_that_are_not_whole_are_said_to_be_classes() {
        let note = |classes: &[&str]| {
            numbers_as_classes(&classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>())
        };
        let says = "its labels are numbers such as 0.5: each of the 3 is a class of its own, as regression is not supported";
        assert_eq!(note(&["0", "0.5", "1"]).as_deref(), Some(says));
        assert_eq!((note(&["0", "1"]), note(&["0.5", "b"])), (None, None));
    }

    #[test]
    fn a_share_is_a_number() {
        assert_eq!(share("0.25"), Ok(0.25));
        assert!(share("x").unwrap_err().contains("a number is expected"));
    }
}
