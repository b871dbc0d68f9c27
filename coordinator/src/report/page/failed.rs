//! Trials that failed, and why.

use maud::html;

use super::{
    super::{Report, configuration::Configuration},
    Part,
    table::table,
};
use crate::cli::text::{count, plural};

/// Most trials that are listed; report.json has all.
const MOST_ROWS: usize = 100;

/// The trials that failed, where there are any.
pub(super) fn failed(report: &Report) -> Option<Part> {
    let failed: Vec<&Configuration> = report.trials.iter().filter(|trial| trial.failure.is_some()).collect();
    if failed.is_empty() {
        return None;
    }
    let shown = &failed[..failed.len().min(MOST_ROWS)];
    let row = |trial: &&Configuration| {
        let reason = trial.failure.clone().unwrap_or_default();
        let numbers = [trial.trial.to_string(), trial.bracket.to_string(), count(trial.epochs)];
        numbers.into_iter().chain([reason, trial.hparams.to_string()]).collect()
    };
    let columns = [
        ("trial", false),
        ("bracket", false),
        ("epochs", false),
        ("reason", true),
        ("hyperparameters", true),
    ];
    let body = html! {
        p {
            (plural(failed.len() as u64, "trial")) " of " (count(report.trials.len() as u64)) " failed. Epochs are those behind a trial's last result."
        }
        (table("failed-table", &columns, &shown.iter().map(row).collect::<Vec<_>>(), None))
        @if failed.len() > shown.len() {
            p class="note" { (super::command(report)) " lists the others too, in report.json." }
        }
    };
    Some(Part { id: "failed", heading: "Failed trials", body, pictures: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Subject, fixture};

    fn shown(subject: &Subject) -> Option<String> {
        failed(&Report::new(subject).unwrap()).map(|part| part.body.into_string())
    }

    #[test]
    fn a_failed_trial_is_listed_with_its_reason() {
        let text = shown(&fixture::subject()).unwrap();
        assert!(text.contains("1 trial of 9 failed."), "{text}");
        assert!(text.contains("<td class=\"text\">the objective is not finite</td>"), "{text}");
        let report = serde_json::to_value(Report::new(&fixture::subject()).unwrap()).unwrap();
        let (first, last) = (&report["trials"][0], &report["trials"][8]);
        assert_eq!((&first["state"], &last["state"]), (&"failed".into(), &"completed".into()));
        assert_eq!(
            (&first["failure"], last["failure"].is_null()),
            (&"the objective is not finite".into(), true)
        );
    }

    #[test]
    fn of_many_failures_the_first_are_listed_and_without_any_there_is_no_part() {
        let mut subject = fixture::subject();
        let model = subject.trials[0].clone();
        subject.trials.extend(vec![model; MOST_ROWS]);
        let text = shown(&subject).unwrap();
        assert_eq!(text.matches("<tr>").count(), 1 + MOST_ROWS, "{text}");
        assert!(
            text.contains("<code>rung report s --out DIR</code> lists the others too, in report.json."),
            "{text}"
        );
        subject.trials.iter_mut().for_each(|trial| trial.failure = None);
        assert_eq!(shown(&subject), None);
    }
}
