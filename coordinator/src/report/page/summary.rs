//! What it is about and what came out.

use std::time::Duration;

use common::{
    study::{Sampler, SchedulerSpec},
    view::StudyPhase,
};
use maud::{Markup, html};

use super::{
    super::{Report, header::Header},
    Part,
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
    let tiles = [
        (format!("best {}", header.metric), maybe(header.best.value)),
        ("test accuracy".to_owned(), maybe(accuracy(report))),
        ("test loss".to_owned(), maybe(loss(report))),
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

/// What the predictions score; without them what the study recorded.
fn accuracy(report: &Report) -> Option<f64> {
    let test = report.test_part.present().map(|test| test.accuracy);
    test.or_else(|| report.header.test.map(|test| test.accuracy))
}

fn loss(report: &Report) -> Option<f64> {
    let test = report.test_part.present().map(|test| test.log_loss);
    test.or_else(|| report.header.test.map(|test| test.loss))
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
    let rows = [
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
                count(header.trials),
                states.join(", ")
            ),
        ),
        ("Epochs", format!("{} of {} planned", count(header.epochs), count(header.planned_epochs))),
        ("Submitted", header.created.clone()),
        ("Finished", header.finished.clone().unwrap_or_else(|| "not yet".to_owned())),
        ("Seed", header.spec.seed.to_string()),
    ];
    Part { id: "study", heading: "Study", body: facts(&rows), pictures: Vec::new() }
}

fn test(header: &Header) -> String {
    match &header.test {
        Some(test) => format!(
            "accuracy {}, loss {}, measured once, on the best trial",
            four(test.accuracy),
            four(test.loss)
        ),
        None => "not measured".to_owned(),
    }
}

fn schedule(header: &Header) -> String {
    let sampler = match header.spec.sampler {
        Sampler::Random {} => "random draws",
        Sampler::Grid {} => "the points of a grid",
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
        ". The same numbers are in report.json and, a table for each part, in the files that end with .csv."
    }
}
