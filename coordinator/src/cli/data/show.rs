//! `rung data show`.

use std::path::PathBuf;

use common::study::DataFacts;
use data::{Dataset, Samples};
use serde::Serialize;

use super::{
    super::{
        failure::Failure,
        files,
        output::{self, Show, Table},
        text::count,
    },
    Opened, ShowArgs, list, open, pictures,
};

/// Shows a data set; writes pictures of it where they are asked for.
pub(super) async fn run(args: ShowArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.out {
        files::check(folder)?;
    }
    let opened = open(&args.set.target.target(), &args.set.name).await?;
    let report = DataReport::new(&opened)?;
    if let Some(folder) = &args.out {
        let written = pictures::write(&opened.dataset, &report, folder)?;
        output::message(&format!("wrote {} to {}", written.join(", "), folder.display()));
    }
    output::show(&report, args.set.output.format)
}

/// What is in a data set.
#[derive(Debug, Serialize)]
pub(super) struct DataReport {
    name: String,
    folder: Option<PathBuf>,
    digest: String,
    kind: &'static str,
    channels: u32,
    height: u32,
    width: u32,
    train: u32,
    test: u32,
    pub(super) classes: Vec<Class>,
    #[serde(skip)]
    sample: String,
}

/// A class and its samples.
#[derive(Debug, Serialize)]
pub(super) struct Class {
    pub(super) label: usize,
    pub(super) name: String,
    pub(super) train: usize,
    pub(super) test: usize,
    /// Of the training part's samples.
    pub(super) train_share: f64,
    /// Of the test part's samples.
    pub(super) test_share: f64,
}

impl DataReport {
    pub(super) fn new(opened: &Opened) -> Result<Self, Failure> {
        let Dataset { name, train, test, digest, .. } = &opened.dataset;
        let facts = opened.dataset.facts()?;
        let of = |samples: &Samples, class: usize| {
            samples.labels.iter().filter(|label| usize::from(**label) == class).count()
        };
        let class = |(label, name): (usize, &String)| {
            let (in_train, in_test) = (of(train, label), of(test, label));
            Class {
                label,
                name: name.clone(),
                train: in_train,
                test: in_test,
                train_share: in_train as f64 / train.count as f64,
                test_share: in_test as f64 / test.count as f64,
            }
        };
        let classes = facts.classes.iter().enumerate().map(class).collect();
        let sample = list::sample(&facts);
        let DataFacts { kind, channels, height, width, train, test, .. } = facts;
        let (name, folder, digest) = (name.clone(), opened.folder.clone(), digest.clone());
        let kind = kind.as_str();
        Ok(Self { name, folder, digest, kind, channels, height, width, train, test, classes, sample })
    }
}

impl Show for DataReport {
    fn table(&self) -> String {
        let samples = match self.kind {
            "images" => "images of",
            _ => "rows of",
        };
        let folder = self.folder.as_ref().map(|folder| folder.display().to_string());
        let facts = output::facts(&[
            ("data set", self.name.clone()),
            ("where", folder.unwrap_or_else(|| "the cluster's store".to_owned())),
            ("digest", self.digest.clone()),
            ("train", format!("{} {samples} {}", count(self.train), self.sample)),
            ("test", format!("{} {samples} {}", count(self.test), self.sample)),
        ]);
        let mut table = Table::new(["label", "class", "train", "test", "share of train", "share of test"]);
        for class in &self.classes {
            let (train, test) = (count(class.train as u64), count(class.test as u64));
            let shares = [class.train_share, class.test_share].map(|share| format!("{:.1} %", 100.0 * share));
            table.row([class.label.to_string(), class.name.clone(), train, test].into_iter().chain(shares));
        }
        format!("{facts}\n{}", table.render())
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["label", "class", "train", "test", "train_share", "test_share"]);
        for class in &self.classes {
            let counts = [class.train, class.test].map(|count| count.to_string());
            let shares = [class.train_share, class.test_share].map(|share| share.to_string());
            table.row([class.label.to_string(), class.name.clone()].into_iter().chain(counts).chain(shares));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::failure::Code, client::Target};

    #[tokio::test]
    async fn an_unknown_name_is_bad_input() {
        let state = tempfile::tempdir().unwrap();
        let target = Target { state: Some(state.path().join("none")), ..Target::default() };
        let failure = open(&target, "fashion-minst").await.unwrap_err();
        assert_eq!(failure.code, Code::BadInput);
        assert_eq!(failure.help.as_deref(), Some("did you mean `fashion-mnist`?"), "{}", failure.message);
    }

    #[test]
    fn classes_are_counted_in_both_parts() {
        let dataset = Dataset {
            name: "mine".to_owned(),
            classes: vec!["a".to_owned(), "b".to_owned()],
            train: Samples::images([4, 1, 1, 1], vec![0; 4], vec![0, 0, 0, 1]),
            test: Samples::images([2, 1, 1, 1], vec![0; 2], vec![1, 1]),
            scale: None,
            columns: Vec::new(),
            digest: "0".repeat(64),
        };
        let report = DataReport::new(&Opened { dataset, folder: None }).unwrap();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["classes"][0]["train_share"], 0.75);
        assert_eq!((&json["classes"][0]["test"], &json["classes"][1]["test"]), (&0.into(), &2.into()));
        assert!(report.table().contains("75.0 %"), "{}", report.table());
        assert!(report.table().contains("where     the cluster's store\n"), "{}", report.table());
    }
}
