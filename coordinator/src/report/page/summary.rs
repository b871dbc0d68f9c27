//! What it is about and what came out.

use std::time::Duration;

use common::{
    metrics::TestMetrics,
    study::SchedulerSpec,
    view::{EndReason, StudyPhase},
};
use maud::{Markup, html};

use super::{
    super::{Report, header::Header},
    Part, command,
    table::{facts, four, maybe},
};
use crate::cli::text::{count, plural, span};

/// The page's head: name, outcome, figures.
pub(super) fn title(report: &Report) -> Markup {
    let header = &report.header;
    let over = match (header.phase, header.complete) {
        (StudyPhase::Finished, true) => "ran its whole plan".to_owned(),
        (StudyPhase::Finished, false) => {
            let why = header.end_reason.map(|reason| format!(": {}", reason.words())).unwrap_or_default();
            format!("was ended before its plan was{why}")
        }
        (phase, _) => format!("is {phase}; this page is of the moment"),
    };
    let [accuracy, loss] = tested(report);
    let best = match report.vote() {
        Some((ensemble, vote)) => {
            (format!("of {}", plural(ensemble.members.len() as u64, "member")), vote.vote.clone())
        }
        None => (format!("best {}", header.metric), maybe(header.best.value)),
    };
    let tiles = [
        best,
        accuracy,
        loss,
        ("trials".to_owned(), count(header.states.values().sum::<u32>())),
        ("epochs trained".to_owned(), count(header.epochs)),
        ("active time".to_owned(), span(Duration::from_secs_f64(header.active_seconds.max(0.0)))),
    ];
    html! {
        h1 { "Study " (header.study) }
        p class="about" {
            (header.spec.model.as_str()) " on " (header.spec.data.name) ". The study " (over) "."
        }
        div class="tiles" {
            @for (name, value) in &tiles { div class="tile" { b { (value) } span { (name) } } }
        }
    }
}

/// Accuracy and loss on the test samples that did not validate, where others did; else what the predictions score, and
/// without them what the study recorded. Of an ensemble they are its vote's.
fn tested(report: &Report) -> [(String, String); 2] {
    if let Some((ensemble, vote)) = report.vote() {
        let part = if ensemble.clean_samples.is_some() { "clean test" } else { "test" };
        let loss = format!("{part} loss at temperature {:.3}", vote.temperature);
        return [(format!("{part} accuracy"), four(vote.accuracy)), (loss, four(vote.scaled_loss))];
    }
    let (part, accuracy, loss) = match (report.header.test, report.test_part.present()) {
        (Some(TestMetrics { clean: Some(clean), .. }), _) => {
            ("clean test", Some(clean.accuracy), Some(clean.loss))
        }
        (_, Some(test)) => ("test", Some(test.accuracy), Some(test.log_loss)),
        (Some(test), None) => ("test", Some(test.accuracy), Some(test.loss)),
        (None, None) => ("test", None, None),
    };
    [(format!("{part} accuracy"), maybe(accuracy)), (format!("{part} loss"), maybe(loss))]
}

/// The study in names and values.
pub(super) fn study(report: &Report) -> Part {
    let header = &report.header;
    let best = &header.best;
    let states = header.states.iter().filter(|(_, count)| **count > 0);
    let states: Vec<String> = states.map(|(state, number)| format!("{} {state}", count(*number))).collect();
    let split = format!("{:?}", header.spec.data.split).to_lowercase();
    let parameters = match best.parameters {
        0 => String::new(),
        parameters => format!(", {} parameters", count(parameters)),
    };
    let mut rows = vec![
        ("Study", format!("{} ({})", header.study, header.id)),
        (
            "Data",
            format!("{}, split {split}, split seed {}", header.spec.data.name, header.spec.data.split_seed),
        ),
        ("Model", format!("{}{parameters}", header.spec.model.as_str())),
        ("Schedule", schedule(header)),
        (
            "Best trial",
            format!(
                "{} after {}: {} {}",
                best.trial,
                plural(best.epochs, "epoch"),
                header.metric,
                maybe(best.value)
            ),
        ),
        ("Its hyperparameters", best.hparams.to_string()),
        ("Its weights", best.checkpoint.map(|digest| digest.to_string()).unwrap_or_default()),
        ("Test part", test(header)),
        (
            "Trials",
            format!(
                "{} of {} planned: {}",
                count(header.states.values().sum::<u32>()),
                count(header.planned_trials),
                states.join(", ")
            ),
        ),
        ("Epochs", format!("{} of {} planned", count(header.epochs), count(header.planned_epochs))),
        ("Submitted", header.created.clone()),
        ("Finished", header.finished.clone().unwrap_or_else(|| "not yet".to_owned())),
        ("Seed", header.spec.seed.to_string()),
    ];
    if let Some((ensemble, vote)) = report.vote() {
        let members = plural(ensemble.members.len() as u64, "member");
        rows.insert(
            1,
            ("Ensemble", format!("the {} of {members}, temperature {:.3}", vote.vote, vote.temperature)),
        );
    }
    let body = html! {
        (facts(&rows))
        p class="note" { (rule(header)) }
    };
    Part { id: "study", heading: "Study", body, pictures: Vec::new() }
}

/// What makes a trial the best one.
fn rule(header: &Header) -> String {
    if header.end_reason == Some(EndReason::Target) {
        return "The best trial is the one whose result was the first to reach the target.".to_owned();
    }
    format!(
        "The best trial has the best {} among the results of the most epochs, so a better result on a lower rung does not count; \
         equal ones go by the lower validation loss, then by the lower trial number.",
        header.metric
    )
}

fn test(header: &Header) -> String {
    let Some(TestMetrics { accuracy, loss, clean }) = header.test else {
        return match header.test_touches {
            0 => "not measured".to_owned(),
            touches => format!("not measured on the best trial, {} on others", plural(touches, "time")),
        };
    };
    let measured = match header.test_touches {
        0 | 1 => "measured once, on the best trial".to_owned(),
        touches => format!("measured {}, here on the best trial", plural(touches, "time")),
    };
    let (accuracy, loss) = (four(accuracy), four(loss));
    match clean {
        None => format!("accuracy {accuracy}, loss {loss}, {measured}"),
        Some(clean) => format!(
            "accuracy {}, loss {} on the {} clean samples; {accuracy} and {loss} on all, validation samples \
             included; {measured}",
            four(clean.accuracy),
            four(clean.loss),
            count(clean.samples)
        ),
    }
}

fn schedule(header: &Header) -> String {
    let sampler = if header.spec.sampler.is_grid() { "the points of a grid" } else { "random draws" };
    let sampler = match header.spec.sampler.first().len() {
        0 => sampler.to_owned(),
        given => format!("{sampler} after {}", plural(given as u64, "given configuration")),
    };
    match &header.spec.scheduler {
        SchedulerSpec::Hyperband(hyperband) => format!(
            "Hyperband, R = {}, η = {}, {}, {sampler}",
            hyperband.max_epochs,
            hyperband.eta,
            plural(hyperband.iterations, "iteration")
        ),
        SchedulerSpec::Fixed { epochs, trials, .. } => {
            format!("{} for {} each", plural(trials.len() as u64, "listed trial"), plural(*epochs, "epoch"))
        }
    }
}

/// Who wrote the page, when and where.
pub(super) fn footer(report: &Report) -> Markup {
    let written = &report.header.written;
    let by = if written.user.is_empty() { String::new() } else { format!(" by {}", written.user) };
    let on = if written.host.is_empty() { String::new() } else { format!(" on {}", written.host) };
    html! {
        "Written " (written.at) (by) (on) " with rung " (written.rung)
        ". " (command(report)) " writes the same numbers as JSON and CSV, a table for each part, and each picture as SVG."
    }
}

#[cfg(test)]
mod tests {
    use common::metrics::CleanMetrics;

    use super::*;
    use crate::report::{Subject, fixture};

    fn shown(subject: &Subject) -> (String, String) {
        let report = Report::new(subject).unwrap();
        (title(&report).into_string(), study(&report).body.into_string())
    }

    #[test]
    fn the_tests_figures_say_how_often_it_was_used() {
        let mut subject = fixture::subject();
        let said = "accuracy 0.6667, loss 0.6000, measured once, on the best trial";
        assert!(shown(&subject).1.contains(said), "{}", shown(&subject).1);
        subject.best.study.test_touches = 15;
        let said = "accuracy 0.6667, loss 0.6000, measured 15 times, here on the best trial";
        assert!(shown(&subject).1.contains(said), "{}", shown(&subject).1);
        subject.best.study.test = None;
        let said = "not measured on the best trial, 15 times on others";
        assert!(shown(&subject).1.contains(said), "{}", shown(&subject).1);
        subject.best.study.test_touches = 0;
        assert!(shown(&subject).1.contains("not measured<"), "{}", shown(&subject).1);
    }

    #[test]
    fn what_makes_a_trial_the_best_is_told() {
        let mut subject = fixture::subject();
        let rule = "The best trial has the best val_accuracy among the results of the most epochs";
        assert!(shown(&subject).1.contains(rule), "{}", shown(&subject).1);
        subject.best.study.end_reason = Some(EndReason::Target);
        let rule = "The best trial is the one whose result was the first to reach the target.";
        assert!(shown(&subject).1.contains(rule), "{}", shown(&subject).1);
    }

    #[test]
    fn an_ensemble_is_headed_by_its_vote() {
        let mut subject = fixture::subject();
        let title_of = |subject: &Subject| shown(subject).0;
        subject.ensemble = Some(fixture::ensemble("another"));
        assert!(title_of(&subject).contains("<b>0.6667</b><span>test accuracy</span>"));
        subject.ensemble = Some(fixture::ensemble("s"));
        let (title, study) = shown(&subject);
        for tile in [
            "<b>soft vote</b><span>of 2 members</span>",
            "<b>0.9500</b><span>test accuracy</span>",
            "<b>0.1800</b><span>test loss at temperature 0.712</span>",
        ] {
            assert!(title.contains(tile), "{title}");
        }
        assert!(study.contains("<td>the soft vote of 2 members, temperature 0.712</td>"), "{study}");
        subject.ensemble.as_mut().unwrap().clean_samples = Some(4);
        assert!(title_of(&subject).contains("<b>0.9500</b><span>clean test accuracy</span>"));
    }

    #[test]
    fn clean_figures_come_first_where_there_are_any() {
        let mut subject = fixture::subject();
        assert!(shown(&subject).0.contains("<b>0.6667</b><span>test accuracy</span>"));
        let clean = Some(CleanMetrics { accuracy: 0.5, loss: 0.9, samples: 4 });
        subject.best.study.test = subject.best.study.test.map(|test| TestMetrics { clean, ..test });
        let (title, study) = shown(&subject);
        assert!(title.contains("<b>0.5000</b><span>clean test accuracy</span>"), "{title}");
        assert!(title.contains("<b>0.9000</b><span>clean test loss</span>"), "{title}");
        let said = "accuracy 0.5000, loss 0.9000 on the 4 clean samples; 0.6667 and 0.6000 on all, validation \
                    samples included; measured once";
        assert!(study.contains(said), "{study}");
    }
}
