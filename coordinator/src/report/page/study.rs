//! Brackets, workers and the study file.

use maud::html;

use super::{
    super::{
        Report,
        board::{BoardBracket, BoardRung, Fate},
        charts,
    },
    Part, command,
    table::{maybe, table},
};
use crate::cli::text::{count, plural};

/// Most brackets that are drawn; report.json has all.
const MOST_BRACKETS: usize = 60;

/// Why a study has no results of its own.
pub(super) const ADOPTED: &str = "Its trials are those of another study, which trained them.";

/// Who was on which rung, and who was cut.
pub(super) fn board(report: &Report) -> Part {
    if report.header.spec.is_adopted() {
        let body = html! { p { (ADOPTED) " Its report has the board of their brackets." } };
        return Part { id: "board", heading: "Bracket board", body, pictures: Vec::new() };
    }
    let (board, metric) = (&report.board, report.header.metric);
    let ramp = charts::Ramp::new(board.values(), report.header.goal);
    let shown = &board.brackets[..board.brackets.len().min(MOST_BRACKETS)];
    let legend = charts::legend(&ramp, metric.as_str());
    let pictures: Vec<_> = shown.iter().map(|bracket| charts::board(bracket, &ramp)).collect();
    let body = html! {
        p {
            "Every cell is a trial's result on a rung, best first, with the trial's number and coloured by " (metric) ". Trials above a line went on to the \
             next rung and resumed there; the line's number is the worst value that went on."
        }
        (legend.scrolled())
        @for (bracket, picture) in shown.iter().zip(&pictures) {
            h3 { (heading(bracket)) }
            (picture.scrolled())
        }
        @if board.brackets.len() > shown.len() {
            p class="note" { (command(report)) " writes " (plural((board.brackets.len() - shown.len()) as u64, "more bracket")) " to report.json." }
        }
        details {
            summary { "Rungs as a table" }
            (table(
                "rungs",
                &[("bracket", false), ("rung", false), ("epochs", false), ("planned", false), ("results", false), ("went on", false),
                  ("cut", false), ("failed", false), ("best", false), ("cut score", false)],
                &shown.iter().flat_map(rows).collect::<Vec<_>>(),
                None,
            ))
        }
    };
    let pictures = std::iter::once(legend).chain(pictures).collect();
    Part { id: "board", heading: "Bracket board", body, pictures }
}

fn heading(bracket: &BoardBracket) -> String {
    let trials = bracket.rungs.first().map_or(0, |rung| rung.planned);
    let iteration =
        if bracket.iteration > 0 { format!(", iteration {}", bracket.iteration) } else { String::new() };
    format!("Bracket {} (s = {}{iteration}): {}", bracket.bracket, bracket.s, plural(trials, "trial"))
}

fn rows(bracket: &BoardBracket) -> Vec<Vec<String>> {
    let row = |(rung, board): (usize, &BoardRung)| {
        let fates = |fate| count(board.cells.iter().filter(|cell| cell.fate == fate).count() as u64);
        vec![
            bracket.bracket.to_string(),
            rung.to_string(),
            board.epochs.to_string(),
            count(board.planned),
            count(board.results() as u64),
            count(board.promoted as u64),
            fates(Fate::Cut),
            fates(Fate::Failed),
            maybe(board.cells.first().and_then(|cell| cell.value)),
            maybe(board.cut_score),
        ]
    };
    bracket.rungs.iter().enumerate().map(row).collect()
}

/// Which worker did what.
pub(super) fn places(report: &Report) -> Part {
    let known = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
    let rows: Vec<Vec<String>> = report
        .header
        .workers
        .iter()
        .map(|place| {
            let device = place.device.clone().unwrap_or_default();
            let (results, epochs) = (count(place.results), count(place.epochs));
            let facts = [device.host, device.device, device.name, device.libtorch, device.capability];
            let names = [place.worker.to_string(), results, epochs];
            names.into_iter().chain(facts.iter().map(|fact| known(fact))).collect()
        })
        .collect();
    let columns = [
        ("worker", false),
        ("results", false),
        ("epochs", false),
        ("host", true),
        ("device", true),
        ("processor", true),
        ("libtorch", true),
        ("instructions", true),
    ];
    let body = html! {
        p {
            "Results at rungs and the epochs behind them, by the worker that brought them. Devices are known of workers that were \
             connected when this page was written."
        }
        (table("worker-table", &columns, &rows, None))
    };
    Part { id: "workers", heading: "What ran where", body, pictures: Vec::new() }
}

/// Everything that decides the result.
pub(super) fn file(report: &Report) -> Part {
    let body = html! {
        p { "Everything that decides the result: " code { "rung run" } " with this file gives the same trials and the same numbers." }
        details { summary { "Show the study file" } pre { (report.header.spec.to_yaml()) } }
    };
    Part { id: "file", heading: "Study file", body, pictures: Vec::new() }
}
