use std::collections::BTreeSet;

use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::{TrialNumber, WorkerId},
    metrics::TestMetrics,
    trial::TrialState,
    view::TrialView,
};
use serde::Serialize;

use super::{
    super::{
        output::{Show, Table},
        text::{exact, metric},
    },
    CLEAN, TEST, clean_cells, test_cells,
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
    /// Leases given so far: one for each rung and one for its evaluation, and others where one was lost, handed back or failed.
    leases: u32,
    weights: Option<Digest>,
    /// Why it failed, if it did.
    failure: Option<String>,
    /// What its checkpoint scores on the test part, where that was measured.
    test: Option<TestMetrics>,
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
            leases: view.attempts,
            weights: view.checkpoint.map(|checkpoint| checkpoint.weights),
            failure: view.failure.clone(),
            test: view.evaluation.map(|evaluation| evaluation.test.metrics),
        }
    }
}

impl TrialRow {
    fn failure_line(&self) -> Option<String> {
        self.failure.as_ref().map(|failure| format!("trial {} failed: {failure}\n", self.trial))
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
    /// Why trials failed stands below: in a column it would push what is compared out of sight.
    fn table(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let head = ["trial", "bracket", "rung", "epochs", "state", "value", "worker", "leases", "hparams"];
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
                row.leases.to_string(),
                row.hparams.to_string(),
            ]);
        }
        let failures: String = self.0.iter().filter_map(TrialRow::failure_line).collect();
        table.render() + if failures.is_empty() { "" } else { "\n\n" } + &failures
    }

    /// One column for each hyperparameter that any trial has; clean figures where any trial has them.
    fn csv(&self) -> Table {
        let names: BTreeSet<&str> =
            self.0.iter().flat_map(|row| row.hparams.iter().map(|(name, _)| name)).collect();
        let head = [
            "trial", "bracket", "rung", "epochs", "state", "value", "worker", "leases", "weights", "failure",
        ];
        let contaminated = self.0.iter().any(|row| row.test.is_some_and(|test| test.clean.is_some()));
        let clean = CLEAN.into_iter().filter(|_| contaminated);
        let columns = names.iter().map(|name| format!("hparams.{name}"));
        let head = head.into_iter().chain(TEST).chain(clean).map(str::to_owned);
        let mut table = Table::new(head.chain(columns));
        for row in &self.0 {
            let fixed = [
                row.trial.to_string(),
                row.bracket.to_string(),
                row.rung.to_string(),
                row.epochs.to_string(),
                row.state.to_string(),
                exact(row.value),
                row.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
                row.leases.to_string(),
                row.weights.map(|digest| digest.to_string()).unwrap_or_default(),
                row.failure.clone().unwrap_or_default(),
            ];
            let test = row.test.as_ref();
            let clean = clean_cells(test).into_iter().filter(|_| contaminated);
            let fixed = fixed.into_iter().chain(test_cells(test)).chain(clean);
            let value = |name: &&str| row.hparams.get(name).map(ToString::to_string).unwrap_or_default();
            table.row(fixed.chain(names.iter().map(value)));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use common::{
        evaluation::{Evaluation, Scored},
        metrics::CleanMetrics,
    };

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
                    r#""hparams":{{"layers":2,"lr":0.001,"units_0":256,"units_1":128}},"worker":"lab-1","leases":2,"#,
                    r#""weights":"{}","failure":null,"test":null}}]"#
                ),
                fixture::weights()
            )
        );
    }

    #[test]
    fn why_a_trial_failed_is_told_in_every_form() {
        let failure = Some("3 attempts failed, the last one: out of memory".to_owned());
        let failed = TrialView { state: TrialState::Failed, failure, ..fixture::trial(4) };
        let rows = TrialRows::new(&[fixture::trial(3), failed]);
        let table = rows.table();
        assert!(
            table.ends_with("\n\ntrial 4 failed: 3 attempts failed, the last one: out of memory\n"),
            "{table}"
        );
        assert!(!TrialRows::new(&[fixture::trial(3)]).table().contains("\n\n"));
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[1]["failure"], "3 attempts failed, the last one: out of memory");
        let csv = rows.csv().to_csv().unwrap();
        assert!(csv.contains(",\"3 attempts failed, the last one: out of memory\","), "{csv}");
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
            "trial,bracket,rung,epochs,state,value,worker,leases,weights,failure,test.accuracy,test.loss,\
             hparams.dropout,hparams.layers,hparams.lr,hparams.units_0,hparams.units_1"
        );
        assert_eq!(
            lines[1],
            format!("3,0,1,9,completed,0.875,lab-1,2,{},,,,,2,0.001,256,128", fixture::weights())
        );
        assert_eq!(lines[2], "4,0,1,9,completed,,,2,,,,,0.5,,,,");
    }

    #[test]
    fn csv_has_what_each_trial_scores_on_the_test_part() {
        let evaluated = |test: TestMetrics| TrialView {
            evaluation: Some(Evaluation {
                epoch: 9,
                test: Scored { metrics: test, probabilities: None },
                validation: None,
            }),
            ..fixture::trial(3)
        };
        let line = |trials: &[TrialView], at: usize| {
            let csv = TrialRows::new(trials).csv().to_csv().unwrap();
            csv.lines().nth(at).unwrap().to_owned()
        };
        let contaminated = TestMetrics { accuracy: 0.5, loss: f64::NAN, clean: None };
        let trials = [evaluated(contaminated)];
        assert!(line(&trials, 1).ends_with(",0.5,,2,0.001,256,128"), "{}", line(&trials, 1));
        let clean = CleanMetrics { accuracy: 0.25, loss: 0.75, samples: 90 };
        let trials = [evaluated(TestMetrics { clean: Some(clean), ..contaminated }), fixture::trial(4)];
        let head =
            ",test.accuracy,test.loss,test.clean.accuracy,test.clean.loss,test.clean.samples,hparams.layers,";
        assert!(line(&trials, 0).contains(head), "{}", line(&trials, 0));
        assert!(line(&trials, 1).ends_with(",0.5,,0.25,0.75,90,2,0.001,256,128"), "{}", line(&trials, 1));
        assert!(line(&trials, 2).ends_with(",,,,,,2,0.001,256,128"), "{}", line(&trials, 2));
    }
}
