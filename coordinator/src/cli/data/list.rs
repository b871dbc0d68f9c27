//! `rung data list`.

use std::path::PathBuf;

use common::{
    study::{DataFacts, DataKind, DataSpec},
    view::DataView,
};
use data::Sources;
use serde::Serialize;

use super::{
    super::{
        failure::Failure,
        output::{self, Show, Table},
        text::{count, plural},
    },
    ListArgs,
};

/// Lists data sets that are known or were added.
pub(super) async fn run(args: ListArgs) -> Result<(), Failure> {
    let cluster = args.target.target().cluster().await?;
    output::show(&DataRows::new(&Sources::from_env(), cluster.data().await?), args.output.format)
}

/// Data sets and where they are.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct DataRows(Vec<DataRow>);

#[derive(Debug, Serialize)]
struct DataRow {
    name: String,
    folder: Option<PathBuf>,
    /// Bytes in the cluster's store; none for data that workers find on their own machines.
    stored: Option<u64>,
    facts: Option<DataFacts>,
}

impl DataRows {
    fn new(sources: &Sources, sets: Vec<DataView>) -> Self {
        let known = DataSpec::NAMES.iter().map(|name| DataRow {
            name: (*name).to_owned(),
            folder: sources.locate(name).ok(),
            stored: None,
            facts: DataFacts::known(name),
        });
        let added = sets.into_iter().map(|set| DataRow {
            name: set.name.to_string(),
            folder: None,
            stored: Some(set.size),
            facts: Some(set.facts),
        });
        Self(known.chain(added).collect())
    }
}

/// What one sample is, in a few words.
pub(super) fn sample(facts: &DataFacts) -> String {
    let DataFacts { channels, height, width, .. } = *facts;
    match (facts.kind, channels) {
        (DataKind::Table, _) => plural(width, "feature"),
        (DataKind::Images, 1) => format!("{width} × {height}"),
        (DataKind::Images, channels) => format!("{width} × {height}, {channels} channels"),
    }
}

impl DataRow {
    fn place(&self) -> String {
        match (&self.folder, self.stored) {
            (Some(folder), _) => folder.display().to_string(),
            (None, Some(bytes)) => format!("cluster, {} KiB", count(bytes.div_ceil(1024))),
            (None, None) => "not on this machine; `cargo xtask setup` fetches it".to_owned(),
        }
    }
}

impl Show for DataRows {
    fn table(&self) -> String {
        let mut table = Table::new(["name", "sample", "classes", "train", "test", "where"]);
        for row in &self.0 {
            let of = |fact: &dyn Fn(&DataFacts) -> String| row.facts.as_ref().map(fact).unwrap_or_default();
            table.row([
                row.name.clone(),
                of(&sample),
                of(&|facts| facts.classes.len().to_string()),
                of(&|facts| count(facts.train)),
                of(&|facts| count(facts.test)),
                row.place(),
            ]);
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let own = ["name", "folder", "digest", "train", "test"];
        let of_sample = ["kind", "channels", "height", "width", "classes", "stored"];
        let mut table = Table::new(own.into_iter().chain(of_sample));
        for row in &self.0 {
            let of = |fact: &dyn Fn(&DataFacts) -> String| row.facts.as_ref().map(fact).unwrap_or_default();
            table.row([
                row.name.clone(),
                row.folder.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default(),
                of(&|facts| facts.digest.to_string()),
                of(&|facts| facts.train.to_string()),
                of(&|facts| facts.test.to_string()),
                of(&|facts| facts.kind.as_str().to_owned()),
                of(&|facts| facts.channels.to_string()),
                of(&|facts| facts.height.to_string()),
                of(&|facts| facts.width.to_string()),
                of(&|facts| facts.classes.len().to_string()),
                row.stored.map(|bytes| bytes.to_string()).unwrap_or_default(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use common::time::Timestamp;

    use super::*;

    #[test]
    fn a_data_set_that_is_not_here_is_listed_as_missing() {
        let rows = DataRows::new(&Sources::nowhere(), Vec::new());
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(
            (&json[0]["name"], &json[0]["folder"]),
            (&"fashion-mnist".into(), &serde_json::Value::Null)
        );
        assert!(rows.table().contains("cargo xtask setup"));
    }

    #[test]
    fn a_row_of_one_value_has_one_feature() {
        let of = |width| {
            let image = DataFacts::known("fashion-mnist").unwrap();
            sample(&DataFacts { kind: DataKind::Table, height: 1, width, ..image })
        };
        assert_eq!((of(1), of(4)), ("1 feature".to_owned(), "4 features".to_owned()));
    }

    #[test]
    fn csv_has_what_a_sample_is_and_what_is_stored() {
        let facts = DataFacts { train: 20, test: 10, ..DataFacts::known("fashion-mnist").unwrap() };
        let set = DataView { name: "mine".parse().unwrap(), facts, size: 4096, created: Timestamp(1) };
        let csv = DataRows::new(&Sources::nowhere(), vec![set]).csv().to_csv().unwrap();
        let head = "name,folder,digest,train,test,kind,channels,height,width,classes,stored\n";
        assert!(csv.starts_with(head), "{csv}");
        let lines: Vec<_> = csv.lines().collect();
        assert!(lines[1].ends_with(",60000,10000,images,1,28,28,10,"), "{csv}");
        assert!(
            lines[2].starts_with("mine,,") && lines[2].ends_with(",20,10,images,1,28,28,10,4096"),
            "{csv}"
        );
    }
}
