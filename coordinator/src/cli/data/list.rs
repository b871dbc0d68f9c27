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
        text::count,
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
        (DataKind::Table, _) => format!("{width} features"),
        (DataKind::Images, 1) => format!("{height} × {width}"),
        (DataKind::Images, channels) => format!("{channels} × {height} × {width}"),
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
        let mut table = Table::new(["name", "folder", "digest", "train", "test"]);
        for row in &self.0 {
            let facts = row.facts.as_ref();
            table.row([
                row.name.clone(),
                row.folder.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default(),
                facts.map(|facts| facts.digest.to_string()).unwrap_or_default(),
                facts.map(|facts| facts.train.to_string()).unwrap_or_default(),
                facts.map(|facts| facts.test.to_string()).unwrap_or_default(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
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
}
