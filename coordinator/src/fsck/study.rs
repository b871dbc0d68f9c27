//! One study: its log, its rows, and whether each follows from the other.

use std::collections::BTreeMap;

use common::{
    ids::{Attempt, StudyId, TrialNumber},
    time::Timestamp,
    view::{StudyView, TrialView},
};
use scheduler::{Event, Study, audit};
use serde::Serialize;

use super::{Findings, Needed, Violation, number};
use crate::{driver::Projection, store::StoredRows};

/// Checks a study's rows; returns the objects that it needs, where its log can be read.
pub(super) fn check(rows: &StoredRows, findings: &mut Findings) -> Option<Needed> {
    let name = match &rows.view {
        Some(view) => view.name.to_string(),
        None => rows.id.clone(),
    };
    let of_study =
        |invariant, what: String| Violation { study: Some(name.clone()), ..Violation::new(invariant, what) };
    findings.studies += 1;
    findings.violations.extend(rows.damage.iter().map(|error| of_study("I11", error.to_string())));
    let log = rows.log.as_ref()?;
    findings.events += log.len() as u64;
    for flaw in audit::flaws(log) {
        let (trial, attempt) = (flaw.trial, flaw.attempt);
        let violation = of_study(number(flaw.invariant), flaw.to_string());
        findings.violations.push(Violation { trial, attempt, ..violation });
    }
    let id: StudyId = rows.id.parse().ok()?;
    let fold = match Projection::of(&id, log, Timestamp(0)) {
        Ok(fold) => fold,
        Err(error) => {
            findings.violations.push(of_study("I6", error.to_string()));
            return None;
        }
    };
    findings.trials += fold.trials.len() as u64;
    findings.violations.extend(fold.study.violations().into_iter().map(|flaw| of_study("I6", flaw)));
    let differences = [study_row(rows, &fold), spec(rows, log)];
    findings.violations.extend(differences.into_iter().flatten().map(|what| of_study("I6", what)));
    for (trial, what) in trial_rows(&rows.trials, &fold.trials) {
        findings.violations.push(Violation { trial: Some(trial), ..of_study("I6", what) });
    }
    for (trial, attempt, invariant, what) in attempts(rows, &fold.study) {
        let violation = of_study(invariant, what);
        findings.violations.push(Violation { trial: Some(trial), attempt: Some(attempt), ..violation });
    }
    Some(Needed { study: name, keys: fold.objects() })
}

/// The objects that a log needs.
pub(super) fn objects(study: &StudyId, log: &[Event]) -> Vec<crate::blobs::ObjectKey> {
    Projection::of(study, log, Timestamp(0)).map(|fold| fold.objects()).unwrap_or_default()
}

/// The study's row says what its log comes to. How long it was active is measured at another moment, and rows of before it
/// was noted do not say why training ended.
fn study_row(rows: &StoredRows, fold: &Projection) -> Option<String> {
    let stored = rows.view.as_ref()?;
    let end_reason = stored.end_reason.and(fold.view.end_reason);
    let view = StudyView { active_ms: stored.active_ms, end_reason, ..fold.view.clone() };
    (!same(stored, &view)).then(|| "the study's row is not what its log comes to".to_owned())
}

/// The study was asked to do what its first event says.
fn spec(rows: &StoredRows, log: &[Event]) -> Option<String> {
    let (Some(stored), Some(Event::Created { spec, .. })) = (&rows.spec, log.first()) else { return None };
    (stored.to_json() != spec.to_json()).then(|| "the study's spec is not that of its first event".to_owned())
}

/// What is wrong with the rows of trials, beside those that their log comes to.
fn trial_rows(stored: &[TrialView], fold: &[TrialView]) -> Vec<(TrialNumber, String)> {
    let stored: BTreeMap<_, _> = stored.iter().map(|trial| (trial.trial, trial)).collect();
    let fold: BTreeMap<_, _> = fold.iter().map(|trial| (trial.trial, trial)).collect();
    let mut wrong = Vec::new();
    for (number, trial) in &fold {
        match stored.get(number) {
            Some(stored) if same(*stored, *trial) => {}
            Some(_) => wrong.push((*number, "the trial's row is not what the log comes to".to_owned())),
            None => wrong.push((*number, "the trial has no row that can be read".to_owned())),
        }
    }
    let extra = stored.keys().filter(|number| !fold.contains_key(number));
    wrong.extend(extra.map(|number| (*number, "the log knows no such trial".to_owned())));
    wrong
}

/// What is wrong with the fence of attempts, beside the log.
fn attempts(rows: &StoredRows, study: &Study) -> Vec<(TrialNumber, Attempt, &'static str, String)> {
    let Some(stored) = &rows.attempts else { return Vec::new() };
    let mut stored: BTreeMap<_, _> =
        stored.iter().map(|(trial, last, live)| (*trial, (*last, *live))).collect();
    let mut wrong = Vec::new();
    for trial in study.trials() {
        let (last, live) = stored.remove(&trial.number).unwrap_or_default();
        let out = study.lease(trial.number).is_some();
        if last != trial.last_attempt {
            let what =
                format!("the store fences attempt {last}, the log's last one is {}", trial.last_attempt);
            wrong.push((trial.number, trial.last_attempt, "I2", what));
        }
        if live != out {
            let said = |out| if out { "out" } else { "over" };
            let what = format!("the store takes the lease for {}, the log for {}", said(live), said(out));
            wrong.push((trial.number, trial.last_attempt, "I1", what));
        }
    }
    let extra = stored.into_iter();
    wrong.extend(
        extra.map(|(trial, (last, _))| (trial, last, "I1", "the log knows no such trial".to_owned())),
    );
    wrong
}

/// Whether two rows are written alike: NaN, which equals nothing, included.
fn same<T: Serialize>(a: &T, b: &T) -> bool {
    matches!((serde_json::to_string(a), serde_json::to_string(b)), (Ok(a), Ok(b)) if a == b)
}
