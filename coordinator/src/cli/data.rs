//! `rung data`: data sets, what is in them, and whether they are what was published.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use common::study::DataSpec;
use data::{Dataset, Images, Sources};
use serde::Serialize;

use super::{
    args::FormatArgs,
    failure::Failure,
    output::{self, Show, Table},
    text::count,
};

/// Flags of `rung data`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Data sets that are known, and where they are on this machine
    List(FormatArgs),
    /// Sizes, classes and how many images each class has
    Show(NameArgs),
    /// Compare every file with its published checksum
    Verify(NameArgs),
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The data set's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: FormatArgs,
}

/// Lists, shows or verifies data sets.
pub(super) fn run(args: DataArgs) -> Result<(), Failure> {
    let sources = Sources::from_env();
    match args.verb {
        None => output::show(&DataRows::new(&sources), args.output.format),
        Some(Verb::List(output)) => output::show(&DataRows::new(&sources), output.format),
        Some(Verb::Show(args)) => output::show(&DataReport::new(&args.name, &sources)?, args.output.format),
        Some(Verb::Verify(args)) => {
            let report = DataReport::new(&args.name, &sources)?;
            output::show(
                &Verified { name: report.name, folder: report.folder, digest: report.digest },
                args.output.format,
            )
        }
    }
}

/// Data sets and where they are.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct DataRows(Vec<DataRow>);

#[derive(Debug, Serialize)]
struct DataRow {
    name: &'static str,
    folder: Option<PathBuf>,
}

impl DataRows {
    fn new(sources: &Sources) -> Self {
        let row = |name: &&'static str| DataRow { name, folder: sources.locate(name).ok() };
        Self(DataSpec::NAMES.iter().map(row).collect())
    }
}

impl Show for DataRows {
    fn table(&self) -> String {
        let mut table = Table::new(["name", "folder"]);
        for row in &self.0 {
            let missing = || "not on this machine; `cargo xtask setup` fetches it".to_owned();
            table.row([
                row.name.to_owned(),
                row.folder.as_ref().map_or_else(missing, |f| f.display().to_string()),
            ]);
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["name", "folder"]);
        for row in &self.0 {
            table.row([
                row.name.to_owned(),
                row.folder.as_ref().map(|f| f.display().to_string()).unwrap_or_default(),
            ]);
        }
        table
    }
}

/// A data set that is what was published.
#[derive(Debug, Serialize)]
struct Verified {
    name: String,
    folder: PathBuf,
    digest: String,
}

impl Show for Verified {
    fn table(&self) -> String {
        format!("{} in {} is as published\ndigest {}", self.name, self.folder.display(), self.digest)
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["name", "folder", "digest"]);
        table.row([self.name.clone(), self.folder.display().to_string(), self.digest.clone()]);
        table
    }
}

/// What is in a data set.
#[derive(Debug, Serialize)]
struct DataReport {
    name: String,
    folder: PathBuf,
    digest: String,
    height: usize,
    width: usize,
    train: usize,
    test: usize,
    classes: Vec<Class>,
}

#[derive(Debug, Serialize)]
struct Class {
    label: usize,
    name: &'static str,
    train: usize,
    test: usize,
}

impl DataReport {
    fn new(name: &str, sources: &Sources) -> Result<Self, Failure> {
        let folder = sources.locate(name)?;
        let Dataset { name, classes, train, test, digest } = data::open(name, sources)?;
        let of = |images: &Images, class: usize| {
            images.labels.iter().filter(|l| usize::from(**l) == class).count()
        };
        let class = |(label, name)| Class { label, name, train: of(&train, label), test: of(&test, label) };
        Ok(Self {
            name,
            folder,
            digest,
            height: train.height,
            width: train.width,
            train: train.count,
            test: test.count,
            classes: classes.into_iter().enumerate().map(class).collect(),
        })
    }
}

impl Show for DataReport {
    fn table(&self) -> String {
        let Self { height, width, .. } = self;
        let facts = output::facts(&[
            ("data set", self.name.clone()),
            ("folder", self.folder.display().to_string()),
            ("digest", self.digest.clone()),
            ("train", format!("{} images of {height} × {width}", count(self.train as u64))),
            ("test", format!("{} images of {height} × {width}", count(self.test as u64))),
        ]);
        let mut table = Table::new(["label", "class", "train", "test"]);
        for class in &self.classes {
            let (train, test) = (count(class.train as u64), count(class.test as u64));
            table.row([class.label.to_string(), class.name.to_owned(), train, test]);
        }
        format!("{facts}\n{}", table.render())
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["label", "class", "train", "test"]);
        for class in &self.classes {
            let cells = [class.label.to_string(), class.name.to_owned()];
            table.row(cells.into_iter().chain([class.train.to_string(), class.test.to_string()]));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_that_is_not_here_is_listed_as_missing() {
        let rows = DataRows::new(&Sources::nowhere());
        assert_eq!(serde_json::to_string(&rows).unwrap(), r#"[{"name":"fashion-mnist","folder":null}]"#);
        assert!(rows.table().contains("cargo xtask setup"));
    }

    #[test]
    fn an_unknown_name_is_bad_input() {
        let failure = DataReport::new("fashion-minst", &Sources::nowhere()).unwrap_err();
        assert_eq!(failure.code, crate::cli::failure::Code::BadInput);
        assert!(failure.message.contains("did you mean `fashion-mnist`?"), "{}", failure.message);
    }
}
