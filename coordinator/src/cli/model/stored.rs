//! Weights of the cluster's store, as `rung model` shows them.

use common::{ids::ModelName, nearest::nearest, view::ModelView, weights::WeightsFacts};
use serde::Serialize;

use super::super::{
    failure::Failure,
    output::{self, Show, Table},
    text::{count, plural},
};

/// Stored weights. The keys and their order are fixed.
#[derive(Debug, Serialize)]
pub(super) struct StoredReport {
    name: ModelName,
    facts: WeightsFacts,
    size: u64,
    /// A date, as studies and tokens have it.
    created: String,
}

impl StoredReport {
    /// What a cluster says of weights.
    pub(super) fn new(model: ModelView) -> Self {
        let ModelView { name, facts, size, created } = model;
        Self { name, facts, size, created: created.to_string() }
    }

    /// What they are called.
    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The family of their model; empty where it is not known.
    pub(super) fn family(&self) -> &'static str {
        self.facts.origin.as_ref().map_or("", |origin| origin.model.as_str())
    }

    /// How many numbers they are.
    pub(super) fn numbers(&self) -> u64 {
        self.facts.numbers()
    }

    /// What they are, in a few words.
    pub(super) fn summary(&self) -> String {
        let numbers = format!("{} numbers", count(self.numbers()));
        match &self.facts.origin {
            None => format!("stored weights, {numbers} in {}", plural(self.tensors(), "tensor")),
            Some(origin) => {
                let classes = origin.input.classes;
                format!("stored weights of {}, {numbers}, {classes} classes", origin.model.as_str())
            }
        }
    }

    fn tensors(&self) -> u64 {
        self.facts.tensors.len() as u64
    }
}

impl Show for StoredReport {
    fn table(&self) -> String {
        let Self { name, facts, size, .. } = self;
        let mut rows = vec![("weights", name.to_string()), ("digest", facts.digest.to_string())];
        if let Some(origin) = &facts.origin {
            let input = origin.input;
            let shape = format!("{} × {} × {}", input.channels, input.height, input.width);
            rows.push(("model", format!("{} with {}", origin.model.as_str(), origin.hparams)));
            rows.push(("takes", format!("{shape}, tells {} classes apart", input.classes)));
        }
        rows.push(("numbers", format!("{} in {}", count(self.numbers()), plural(self.tensors(), "tensor"))));
        rows.push(("size", format!("{} KiB", count(size.div_ceil(1024)))));
        let mut table = Table::new(["tensor", "shape"]);
        for (name, shape) in &facts.tensors {
            table.row([name.clone(), sides(shape, " × ")]);
        }
        format!("{}\n{}", output::facts(&rows), table.render())
    }

    fn csv(&self) -> Table {
        let mut table = Table::new(["tensor", "shape"]);
        for (name, shape) in &self.facts.tensors {
            table.row([name.clone(), sides(shape, "x")]);
        }
        table
    }
}

fn sides(shape: &[u32], between: &str) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// The failure of a name that nothing has; `none` says what there is none of.
pub(super) fn unknown(name: &str, none: &str, presets: &[&str], models: &[ModelView]) -> Failure {
    let stored = models.iter().map(|model| model.name.as_str());
    let names: Vec<&str> = presets.iter().copied().chain(stored).collect();
    let failure = Failure::bad_input(format!("{none} `{name}`"));
    match nearest(name, names.iter().copied()) {
        Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
        None if names.is_empty() => failure.help("`rung model add` adds weights"),
        None => failure.help(format!("known are {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use common::{
        checkpoint::Digest,
        hparams::{Hparams, Scalar},
        model_spec::DataShape,
        study::ModelKind,
        time::Timestamp,
        weights::{Origin, WeightsFacts},
    };

    use super::*;

    fn view(origin: Option<Origin>) -> ModelView {
        let tensors = [("dense_0.bias".to_owned(), vec![3]), ("dense_0.weight".to_owned(), vec![3, 1_000])];
        let facts = WeightsFacts { digest: Digest::of(b"w"), tensors: tensors.into(), origin };
        ModelView {
            name: "mine".parse().unwrap(),
            facts,
            size: 12_345,
            created: Timestamp(1_795_442_709_123),
        }
    }

    fn stored(origin: Option<Origin>) -> StoredReport {
        StoredReport::new(view(origin))
    }

    #[test]
    fn weights_are_told_with_their_model_and_without() {
        let bare = stored(None);
        assert_eq!(bare.summary(), "stored weights, 3,003 numbers in 2 tensors");
        assert!(bare.table().contains("3 × 1000") && bare.table().contains("13 KiB"), "{}", bare.table());
        assert!(bare.csv().to_csv().unwrap().contains("dense_0.weight,3x1000"));
        let hparams = Hparams::from([("layers", Scalar::Int(0))]);
        let input = DataShape { channels: 1, height: 1, width: 1_000, classes: 3 };
        let known = stored(Some(Origin { model: ModelKind::Mlp, hparams, input }));
        assert_eq!(known.summary(), "stored weights of mlp, 3,003 numbers, 3 classes");
        assert!(known.table().contains("mlp with layers=0"), "{}", known.table());
        let json = serde_json::to_value(&known).unwrap();
        assert_eq!(json["facts"]["tensors"]["dense_0.bias"], serde_json::json!([3]));
        assert_eq!((&json["created"], &json["size"]), (&"2026-11-23T14:05:09Z".into(), &12_345.into()));
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest() {
        let failure = unknown("mime", "there are no weights", &[], &[view(None)]);
        assert_eq!(failure.help.as_deref(), Some("did you mean `mine`?"));
        assert_eq!(
            unknown("x", "there are no weights", &[], &[]).help.as_deref(),
            Some("`rung model add` adds weights")
        );
    }
}
