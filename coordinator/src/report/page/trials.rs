//! Trials: how they learned, and what their hyperparameters did.

use common::{metrics::Metric, study::Split};
use maud::html;

use super::{
    super::{
        Report, Section, Subject, charts,
        learning::TopTrial,
        progress::{Step, improvements},
    },
    Part, command,
    study::ADOPTED,
    table::{four, maybe, table},
};
use crate::cli::text::{count, plural};

/// Learning curves of the best trials.
pub(super) fn learning(report: &Report) -> Part {
    let Some(best) = report.top.first() else {
        return absent("curves", "Learning curves", "No trial has a finite value.");
    };
    let metric = report.header.metric;
    let pictures = vec![charts::loss(best), charts::accuracy(best), charts::top_trials(&report.top, metric)];
    let validated = report.header.spec.data.split != Split::None;
    let measures = measures(report);
    let measured = measures.iter().map(|(name, _)| (*name, false));
    let columns: Vec<_> = [("trial", false), ("epochs", false), (metric.as_str(), false)]
        .into_iter()
        .chain(measured)
        .chain([("seconds", false)])
        .collect();
    let rows: Vec<Vec<String>> = report.top.iter().map(|trial| row(trial, &measures)).collect();
    let body = html! {
        p {
            "Loss and accuracy of the best trial, " (best.trial) ", on the samples that it trained on"
            @if validated { " and on those held out" } @else { " (none were held out)" } ", and "
            (metric) @if report.top.len() > 1 { " of the best " (count(report.top.len() as u64)) " trials" } ". Training figures are \
            taken while the weights change and dropout is on"
            @if validated { ", so early ones may be worse than validation's" } "."
        }
        div class="side" { @for picture in &pictures { (picture.inline()) } }
        h3 { "The best trials at their last epoch" }
        (table("top", &columns, &rows, Some(0)))
        p class="note" { (command(report)) " writes every epoch of every trial to curves.csv." }
    };
    Part { id: "curves", heading: "Learning curves", body, pictures }
}

/// What the table of the best trials has beside the objective: all that is measured, but nothing twice.
fn measures(report: &Report) -> Vec<(&'static str, Metric)> {
    let validated = report.header.spec.data.split != Split::None;
    let mut measures = vec![("train loss", Metric::TrainLoss), ("train accuracy", Metric::TrainAccuracy)];
    if validated {
        measures.insert(1, ("val loss", Metric::ValLoss));
        measures.extend([("val accuracy", Metric::ValAccuracy), ("val macro F1", Metric::ValMacroF1)]);
    }
    // By the best epoch, or where a trial went back, the value is another one than that of the last epoch.
    let last = |trial: &TopTrial, metric: Metric| trial.curve.last().map(|point| metric.of(&point.metrics));
    let repeats = |metric| report.top.iter().all(|trial| last(trial, metric) == Some(trial.value));
    measures.retain(|(_, metric)| *metric != report.header.metric || !repeats(*metric));
    measures
}

fn row(trial: &TopTrial, measures: &[(&str, Metric)]) -> Vec<String> {
    let mut row = vec![trial.trial.to_string(), trial.epochs.to_string(), four(trial.value)];
    let last = trial.curve.last().map(|point| &point.metrics);
    row.extend(measures.iter().map(|(_, metric)| maybe(last.map(|metrics| metric.of(metrics)))));
    let seconds = trial.curve.iter().map(|point| point.seconds).sum::<f64>();
    row.push(last.map_or_else(|| maybe(None), |_| format!("{seconds:.1}")));
    row
}

/// The best value so far.
pub(super) fn progress(report: &Report) -> Part {
    if report.header.spec.is_adopted() {
        return absent("progress", "Best so far", ADOPTED);
    }
    if report.best_so_far.is_empty() {
        return absent("progress", "Best so far", "No trial has a finite value.");
    }
    let best = &report.header.best;
    let picture = charts::best_so_far(report);
    let step = |step: &Step| vec![count(step.epochs), four(step.value), step.trial.to_string()];
    let rows: Vec<Vec<String>> = improvements(&report.best_so_far).iter().map(step).collect();
    let body = html! {
        p {
            "The best " (report.header.metric) " of any result so far, over the epochs that all trials together had trained. The \
            order of results, and so the way up, depends on how many workers there were; where it ends does not."
            @if let Some(last) = report.best_so_far.last().filter(|last| last.trial != best.trial) {
                " It ends with trial " (last.trial) ", and the best trial is " (best.trial) ": what makes a trial the best one stands under the \
                study's facts."
            }
        }
        (picture.scrolled())
        details { summary { "As a table" } (table("best-so-far-table", &[("epochs trained", false), ("best so far", false), ("trial", false)], &rows, None)) }
    };
    Part { id: "progress", heading: "Best so far", body, pictures: vec![picture] }
}

/// Hyperparameters of all trials side by side.
pub(super) fn parallel(report: &Report, subject: &Subject) -> Part {
    let (header, trials) = (&report.header, &report.trials);
    let Some((picture, drawn)) =
        charts::parallel(&subject.trials, &header.spec.space, (header.metric, header.goal))
    else {
        return absent("hyperparameters", "Hyperparameters", "All trials have the same hyperparameters.");
    };
    let without = trials.iter().filter(|trial| trial.value.is_none()).count();
    let body = html! {
        p {
            "Each line is a trial on its way through its hyperparameters to its " (header.metric) " at its last rung; the better, the \
            stronger its colour. A dash marks a hyperparameter that the trial does not have. Trials that were cut early had fewer \
            epochs, so compare lines of one bracket, or look at the importance below."
        }
        (picture.scrolled())
        p class="note" {
            @if without > 0 { (plural(without as u64, "trial")) " without a value " (if without == 1 { "is" } else { "are" }) " not drawn. " }
            @if drawn + without < trials.len() {
                "Of the others the best and evenly chosen ones are drawn, " (count(drawn as u64)) " of " (count((trials.len() - without) as u64)) ". "
            }
            (command(report)) " writes all trials to trials.csv."
        }
    };
    Part { id: "hyperparameters", heading: "Hyperparameters", body, pictures: vec![picture] }
}

/// What explains the values.
pub(super) fn importance(report: &Report) -> Part {
    let heading = "Hyperparameter importance";
    let importance = match &report.importance {
        Section::Present(importance) => importance,
        Section::Missing { missing } => {
            return absent("importance", heading, &format!("Nothing can be said of it: {missing}."));
        }
    };
    let picture = charts::importance(importance);
    let share = |share: &super::super::importance::Share| {
        vec![share.hparam.clone(), four(share.share), four(share.deviation)]
    };
    let rows: Vec<Vec<String>> = importance.shares.iter().map(share).collect();
    let body = html! {
        p {
            "How much of the variation of " (report.header.metric) " after " (plural(importance.epochs, "epoch")) " each \
            hyperparameter explains on its own, over " (count(importance.trials as u64)) " trials: " (importance.method) ". Whiskers are \
            one standard deviation over trees. " (format!("{:.1} %", 100.0 * importance.interactions)) " is left to interactions. The \
            forest's R² on trials that its trees have not seen is " (format!("{:.2}", importance.fit)) "."
        }
        @if importance.fit < 0.2 {
            p { strong { "The forest explains little of these trials, so read this with care: more trials are needed." } }
        }
        (picture.scrolled())
        details { summary { "As a table" } (table("importance-table", &[("hyperparameter", false), ("share", false), ("deviation", false)], &rows, None)) }
    };
    Part { id: "importance-part", heading, body, pictures: vec![picture] }
}

fn absent(id: &'static str, heading: &'static str, reason: &str) -> Part {
    Part { id, heading, body: html! { p { (reason) } }, pictures: Vec::new() }
}

#[cfg(test)]
mod tests {
    use common::{history::RungResult, ids::TrialNumber};

    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_table_has_each_improvement_once() {
        let mut subject = fixture::subject();
        let last = subject.history.results.last().cloned().unwrap();
        subject.history.results.push(RungResult { trial: TrialNumber(7), value: 0.1, ..last });
        let report = Report::new(&subject).unwrap();
        let body = progress(&report).body.into_string();
        assert_eq!(body.matches("<td>0.8600</td>").count(), 1, "{body}");
        assert!(!body.contains("It ends with"), "{body}");
    }

    #[test]
    fn the_best_trials_show_what_was_measured_and_nothing_twice() {
        let mut subject = fixture::subject();
        let head = |subject: &Subject| {
            let body = learning(&Report::new(subject).unwrap()).body.into_string();
            let head = &body[body.find("<thead>").unwrap()..body.find("</thead>").unwrap()];
            let names: Vec<_> = head.split("<th scope=\"col\">").skip(1).map(str::to_owned).collect();
            (body.clone(), names.join(" ").replace("</th>", "").replace("</tr>", ""))
        };
        assert_eq!(
            head(&subject).1,
            "trial epochs val_accuracy train loss val loss train accuracy val macro F1 seconds"
        );
        // The best epoch's value is not the last one's.
        subject.trials[7].value = Some(0.99);
        assert!(head(&subject).1.contains("val_accuracy train loss val loss train accuracy val accuracy"));
        subject.best.spec.data.split = Split::None;
        subject.best.study.metric = Metric::TrainLoss;
        let (body, names) = head(&subject);
        assert_eq!(names, "trial epochs train_loss train loss train accuracy seconds");
        assert!(
            body.contains("on the samples that it trained on (none were held out), and train_loss"),
            "{body}"
        );
        assert!(body.contains("dropout is on.</p>"), "{body}");
    }

    #[test]
    fn trials_that_are_not_drawn_are_counted() {
        let mut subject = fixture::subject();
        let note = |subject: &Subject| {
            let body = parallel(&Report::new(subject).unwrap(), subject).body.into_string();
            body[body.find("<p class=\"note\">").unwrap()..].to_owned()
        };
        let said =
            "1 trial without a value is not drawn. <code>rung report s --out DIR</code> writes all trials";
        assert!(note(&subject).contains(said), "{}", note(&subject));
        let model = subject.trials[8].clone();
        subject.trials.extend(vec![model; 1_000]);
        let said = "Of the others the best and evenly chosen ones are drawn, 536 of 1,008.";
        assert!(note(&subject).contains(said), "{}", note(&subject));
    }

    #[test]
    fn a_better_result_on_a_lower_rung_is_told_apart_from_the_best_trial() {
        let mut subject = fixture::subject();
        subject.history.results[5].value = 0.99;
        let body = progress(&Report::new(&subject).unwrap()).body.into_string();
        let said = "It ends with trial 5, and the best trial is 8: what makes a trial the best one stands under the study's facts.";
        assert!(body.contains(said), "{body}");
    }
}
