use std::collections::BTreeSet;

use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::{TrialNumber, WorkerId},
    trial::TrialState,
    view::TrialView,
};
use serde::Serialize;

use super::super::{
    output::{Show, Table},
    text::{exact, metric},
};

/// A trial, in one line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TrialRow {
    trial: TrialNumber,
    bracket: u32,
    rung: u32,
    epochs: u32,
    state: TrialState,
    value: Option<f64>,
    hparams: Hparams,
    worker: Option<WorkerId>,
    attempts: u32,
    weights: Option<Digest>,
}

impl From<&TrialView> for TrialRow {
    fn from(view: &TrialView) -> Self {
        Self {
            trial: view.trial,
            bracket: view.bracket,
            rung: view.rung,
            epochs: view.epochs,
            state: view.state,
            value: view.value,
            hparams: view.hparams.clone(),
            worker: view.worker.clone(),
            attempts: view.attempts,
            weights: view.checkpoint.map(|checkpoint| checkpoint.weights),
        }
    }
}

/// A study's trials by number.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct TrialRows(pub(crate) Vec<TrialRow>);

impl TrialRows {
    /// The trials of a study.
    pub(crate) fn new(trials: &[TrialView]) -> Self {
        Self(trials.iter().map(Into::into).collect())
    }
}

impl Show for TrialRows {
    fn table(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let head = ["trial", "bracket", "rung", "epochs", "state", "value", "worker", "attempts", "hparams"];
        let mut table = Table::new(head);
        for row in &self.0 {
            table.row([
                row.trial.to_string(),
                row.bracket.to_string(),
                row.rung.to_string(),
                row.epochs.to_string(),
                row.state.to_string(),
                metric(row.value),
                row.worker.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                row.attempts.to_string(),
                row.hparams.to_string(),
            ]);
        }
        table.render()
    }

    /// One column for each hyperparameter that any trial has.
    fn csv(&self) -> Table {
        let names: BTreeSet<&str> =
            self.0.iter().flat_map(|row| row.hparams.iter().map(|(name, _)| name)).collect();
        let head = ["trial", "bracket", "rung", "epochs", "state", "value", "worker", "attempts", "weights"];
        let columns = names.iter().map(|name| format!("hparams.{name}"));
        let mut table = Table::new(head.into_iter().map(str::to_owned).chain(columns));
        for row in &self.0 {
            let fixed = [
                row.trial.to_string(),
                row.bracket.to_string(),
                row.rung.to_string(),
                row.epochs.to_string(),
                row.state.to_string(),
                exact(row.value),
                row.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
                row.attempts.to_string(),
                row.weights.map(|digest| digest.to_string()).unwrap_or_default(),
            ];
            let value = |name: &&str| row.hparams.get(name).map(ToString::to_string).unwrap_or_default();
            table.row(fixed.into_iter().chain(names.iter().map(value)));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn trials_have_the_keys_that_scripts_rely_on() {
        let rows = TrialRows::new(&[fixture::trial(3)]);
        assert_eq!(
            serde_json::to_string(&rows).unwrap(),
            format!(
                concat!(
                    r#"[{{"trial":3,"bracket":0,"rung":1,"epochs":9,"state":"completed","value":0.875,"#,
                    r#""hparams":{{"layers":2,"lr":0.001,"units_0":256,"units_1":128}},"worker":"lab-1","attempts":2,"#,
                    r#""weights":"{}"}}]"#
                ),
                fixture::weights()
            )
        );
    }

    #[test]
    fn csv_has_a_column_for_each_hyperparameter() {
        let mut pending = fixture::trial(4);
        pending.hparams = Hparams::from([("dropout", common::hparams::Scalar::Float(0.5))]);
        (pending.value, pending.worker, pending.checkpoint) = (None, None, None);
        let csv = TrialRows::new(&[fixture::trial(3), pending]).csv().to_csv().unwrap();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(
            lines[0],
            "trial,bracket,rung,epochs,state,value,worker,attempts,weights,\
             hparams.dropout,hparams.layers,hparams.lr,hparams.units_0,hparams.units_1"
        );
        assert_eq!(
            lines[1],
            format!("3,0,1,9,completed,0.875,lab-1,2,{},,2,0.001,256,128", fixture::weights())
        );
        assert_eq!(lines[2], "4,0,1,9,completed,,,2,,0.5,,,,");
    }
}
