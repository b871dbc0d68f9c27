use std::{collections::BTreeMap, time::Duration};

use common::{
    checkpoint::Digest,
    ids::{StudyId, StudyName, TrialNumber},
    metrics::{Goal, Metric, TestMetrics},
    trial::TrialState,
    view::{EndReason, Leader, StudyPhase, StudyView},
};
use serde::Serialize;

use super::{
    super::{
        output::{Show, Table},
        text::{count, exact, metric, plural, span},
    },
    test_facts,
};

/// A study, in one line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StudyRow {
    study: StudyName,
    id: StudyId,
    phase: StudyPhase,
    complete: bool,
    end_reason: Option<EndReason>,
    metric: Metric,
    goal: Goal,
    trials: u32,
    states: BTreeMap<&'static str, u32>,
    epochs: u64,
    planned_epochs: u64,
    best: Option<BestRow>,
    test: Option<TestMetrics>,
    test_touches: u32,
    created: String,
    finished: Option<String>,
    leases: u32,
    active_seconds: f64,
}

/// What leads a study.
#[derive(Debug, Clone, Serialize)]
struct BestRow {
    trial: TrialNumber,
    value: f64,
    epochs: u32,
    weights: Digest,
}

impl From<&Leader> for BestRow {
    fn from(leader: &Leader) -> Self {
        let Leader { trial, value, epochs, checkpoint } = *leader;
        Self { trial, value, epochs, weights: checkpoint.weights }
    }
}

impl From<&StudyView> for StudyRow {
    fn from(view: &StudyView) -> Self {
        Self {
            study: view.name.clone(),
            id: view.id.clone(),
            phase: view.phase,
            complete: view.complete,
            end_reason: view.end_reason,
            metric: view.metric,
            goal: view.goal,
            trials: view.trials,
            states: TrialState::ALL.map(|state| (state.as_str(), view.count(state))).into(),
            epochs: view.epochs,
            planned_epochs: view.planned_epochs,
            best: view.best.as_ref().map(Into::into),
            test: view.test,
            test_touches: view.test_touches,
            created: view.created.to_string(),
            finished: view.finished.map(|at| at.to_string()),
            leases: view.leases,
            active_seconds: view.active_ms as f64 / 1000.0,
        }
    }
}

impl StudyRow {
    /// Trials whose state is final.
    fn ended(&self) -> u32 {
        let ended = TrialState::ALL.into_iter().filter(|state| state.is_final());
        ended.filter_map(|state| self.states.get(state.as_str())).sum()
    }

    /// The study as names and values.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let states: Vec<_> = self
            .states
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(state, n)| format!("{} {state}", count(*n)))
            .collect();
        let begun = if states.is_empty() { "none has begun".to_owned() } else { states.join(", ") };
        let active = span(Duration::from_secs_f64(self.active_seconds.max(0.0)));
        let mut facts = vec![
            ("study", format!("{} ({})", self.study, self.id)),
            ("phase", self.phase_with_reason()),
            ("trials", format!("{} planned: {begun}", count(self.trials))),
            ("epochs", format!("{} of {}", count(self.epochs), count(self.planned_epochs))),
            ("active time", format!("{active}, with a trial leased to a worker")),
            ("created", self.created.clone()),
        ];
        if let Some(finished) = &self.finished {
            facts.push(("finished", finished.clone()));
        }
        if let Some(best) = &self.best {
            let value = metric(Some(best.value));
            facts.push((
                "best",
                format!(
                    "trial {}: {} {value} after {}",
                    best.trial,
                    self.metric,
                    plural(best.epochs, "epoch")
                ),
            ));
        }
        facts.extend(self.test.iter().flat_map(test_facts));
        if self.test_touches > 0 {
            let times = plural(self.test_touches, "time");
            facts.push(("test part", format!("touched {times}: so many checkpoints were measured on it")));
        }
        facts
    }

    fn phase_text(&self) -> String {
        match self.phase {
            StudyPhase::Finished if !self.complete => "finished early".to_owned(),
            phase => phase.to_string(),
        }
    }

    fn phase_with_reason(&self) -> String {
        match self.end_reason {
            Some(reason) if !self.complete => format!("{}: {}", self.phase_text(), reason.words()),
            _ => self.phase_text(),
        }
    }
}

/// Studies, oldest first.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct StudyRows(pub(crate) Vec<StudyRow>);

impl Show for StudyRows {
    fn table(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut table = Table::new(["study", "id", "phase", "trials", "epochs", "metric", "best", "created"]);
        for row in &self.0 {
            table.row([
                row.study.to_string(),
                row.id.to_string(),
                row.phase_text(),
                format!("{}/{}", row.ended(), row.trials),
                format!("{}/{}", row.epochs, row.planned_epochs),
                row.metric.to_string(),
                metric(row.best.as_ref().map(|best| best.value)),
                row.created.clone(),
            ]);
        }
        table.render()
    }

    fn csv(&self) -> Table {
        let head =
            ["study", "id", "phase", "complete", "metric", "trials", "ended", "epochs", "planned_epochs"];
        let tail = ["best_trial", "best_value", "best_epochs", "created", "finished", "active_seconds"];
        let mut table = Table::new(head.into_iter().chain(tail));
        for row in &self.0 {
            let best = |of: fn(&BestRow) -> String| row.best.as_ref().map(of).unwrap_or_default();
            table.row([
                row.study.to_string(),
                row.id.to_string(),
                row.phase.to_string(),
                row.complete.to_string(),
                row.metric.to_string(),
                row.trials.to_string(),
                row.ended().to_string(),
                row.epochs.to_string(),
                row.planned_epochs.to_string(),
                best(|best| best.trial.to_string()),
                best(|best| exact(Some(best.value))),
                best(|best| best.epochs.to_string()),
                row.created.clone(),
                row.finished.clone().unwrap_or_default(),
                row.active_seconds.to_string(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use common::metrics::CleanMetrics;

    use super::*;
    use crate::cli::fixture;

    #[test]
    fn nothing_is_no_table_and_an_empty_list() {
        assert!(StudyRows(Vec::new()).table().is_empty());
        assert_eq!(serde_json::to_string(&StudyRows(Vec::new())).unwrap(), "[]");
        let rows = StudyRows(vec![(&fixture::study()).into()]);
        assert!(rows.table().contains("fashion-mlp") && rows.table().contains("0.8750"));
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[0]["best"]["weights"], fixture::weights().to_string());
        assert_eq!(rows.csv().to_csv().unwrap().lines().count(), 2);
    }

    #[test]
    fn a_study_that_validated_on_test_samples_shows_the_clean_figure_as_its_test() {
        let mut view = fixture::study();
        let shown = |view: &StudyView| {
            let facts = StudyRow::from(view).facts();
            let found = |wanted: &str| facts.iter().find(|(name, _)| *name == wanted);
            ["test", "contaminated"].map(|name| found(name).map(|(_, text)| text.clone()))
        };
        assert_eq!(shown(&view), [Some("accuracy 0.8712, loss 0.3400".to_owned()), None]);
        let clean = CleanMetrics { accuracy: 0.75, loss: 0.5, samples: 9_000 };
        view.test = view.test.map(|test| TestMetrics { clean: Some(clean), ..test });
        let [test, contaminated] = shown(&view);
        assert_eq!(test.as_deref(), Some("accuracy 0.7500, loss 0.5000 on the 9,000 clean samples"));
        assert!(contaminated.is_some_and(|text| text.starts_with("accuracy 0.8712, loss 0.3400 on all")));
    }

    #[test]
    fn trials_and_active_time_are_told_before_the_first_trial_too() {
        let told = |view: &StudyView| {
            let facts = StudyRow::from(view).facts();
            let found = |wanted: &str| facts.iter().find(|(name, _)| *name == wanted);
            ["trials", "active time"].map(|name| found(name).map(|(_, text)| text.clone()).unwrap())
        };
        let study = fixture::study();
        assert_eq!(
            told(&study),
            ["17 planned: 6 completed, 11 stopped", "1 min 28 s, with a trial leased to a worker"]
                .map(str::to_owned)
        );
        let new = StudyView { states: [0; 6], active_ms: 0, ..study };
        assert_eq!(told(&new)[0], "17 planned: none has begun");
        assert!(told(&new)[1].starts_with("0.0 s"), "{:?}", told(&new));
    }

    #[test]
    fn a_study_that_ended_early_says_why() {
        let phase = |end_reason| {
            let view = StudyView { complete: false, end_reason, ..fixture::study() };
            StudyRow::from(&view).phase_with_reason()
        };
        assert_eq!(phase(None), "finished early");
        assert_eq!(phase(Some(EndReason::Target)), "finished early: its `budget.target` was reached");
        assert_eq!(phase(Some(EndReason::MaxTime)), "finished early: its `budget.max_time` was over");
        assert_eq!(StudyRow::from(&fixture::study()).phase_with_reason(), "finished");
    }
}
