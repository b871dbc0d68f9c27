//! The page: the study's own figures beside Rung's for every row, every run, and the ensemble's votes.

use std::fmt::Write as _;

use super::ensemble::{VOTE, Voter, Votes};
use super::record::Record;
use super::row::{Figures, Kind, ROWS, Row};
use super::tried::{TRIED, Tried};

const HEAD: &str = "# The Keras study, beside what Rung measures\n\n\
    Written by `cargo xtask paper` from the files in [results/](results/); the study files are in [paper/](paper/). Rung \
    grew from an unpublished course work that tuned networks for Fashion-MNIST with Keras Tuner: the Keras study. \
    Rows have their full budget (`--budget full`) unless they say `8 of 16` epochs or `2 of 5` runs.\n\n\
    Rows with the Keras study's own split validate on a tenth of the *test* part, so their figure on all 10,000 images is \
    contaminated like its own; the clean one leaves those 1,000 out. All other rows touch the test part once \
    for each run or member, at the end. Several runs have several seeds: mean ± deviation. A row that ran for fewer epochs than it has in full \
    says so, and claims nothing about the full one. Shirt is the class that is hardest to tell: its F1 is on all \
    10,000. Minutes are the runs' own, added up; two of them may have run side by side.\n\n\
    | stage | row | Keras study | Rung, all 10,000 | Rung, clean 9,000 | loss | Shirt F1 | parameters | runs | epochs at most | minutes |\n\
    |---|---|---|---|---|---|---|---|---|---|---|\n";

/// The page of all that was recorded.
pub(super) fn page(records: &[Record]) -> String {
    let mut page = HEAD.to_owned();
    for row in ROWS {
        let own: Vec<&Record> = records.iter().filter(|record| record.row == row.name).collect();
        page.push_str(&line(row, &own));
    }
    if !records.is_empty() {
        page.push_str(&runs(records));
    }
    for record in records {
        if let Some(votes) = &record.votes {
            page.push_str(&ensemble(&record.row, votes));
        }
    }
    if records.iter().any(|record| TRIED.iter().any(|old| old.row == record.row)) {
        page.push_str(&tried(records));
    }
    page
}

fn line(row: &Row, records: &[&Record]) -> String {
    let (stage, name, what, study) = (row.stage, row.name, row.what, figures(row.study));
    // Runs of fewer epochs say nothing about the longest ones.
    let Some(epochs) = records.iter().map(|record| record.epochs).max() else {
        return format!(
            "| {stage} | `{name}` {what} | {study} | not run yet | | | | | | {} in full | |\n",
            row.epochs
        );
    };
    let records: Vec<&Record> = records.iter().copied().filter(|record| record.epochs == epochs).collect();
    let of = |value: &dyn Fn(&Record) -> Option<f64>| {
        records.iter().filter_map(|record| value(record)).collect::<Vec<f64>>()
    };
    let clean = of(&|record| Some(record.test.clean.as_ref()?.accuracy));
    let contaminated = if clean.is_empty() { "" } else { " (contaminated)" };
    let minutes: f64 = of(&|record| Some(record.active_seconds / 60.0)).iter().sum();
    format!(
        "| {stage} | `{name}` {what} | {study} | {}{contaminated} | {} | {} | {} | {} | {} | {} | {minutes:.1} |\n",
        spread(&of(&|record| Some(record.test.accuracy))),
        spread(&clean),
        spread(&of(&|record| Some(record.test.loss))),
        spread(&of(&Record::shirt)),
        records[0].parameters,
        count(row, &records),
        length(row, &records),
    )
}

/// How many runs there are of how many.
fn count(row: &Row, records: &[&Record]) -> String {
    match records[0].votes.as_ref().filter(|_| row.kind == Kind::Ensemble) {
        Some(votes) => format!("{} of {} members", votes.members, row.runs),
        None => format!("{} of {}", records.len(), row.runs),
    }
}

/// How many epochs there were of how many, also of the search that came before.
fn length(row: &Row, records: &[&Record]) -> String {
    let epochs = records[0].epochs;
    let own = if epochs == row.epochs { epochs.to_string() } else { format!("{epochs} of {}", row.epochs) };
    let search = records.iter().filter_map(|record| record.search_epochs).min();
    let full = match row.kind {
        Kind::Retrain(search) => ROWS.iter().find(|row| row.name == search).map(|row| row.epochs),
        Kind::Fixed | Kind::Search | Kind::Ensemble => None,
    };
    match (search, full) {
        (Some(search), Some(full)) if search < full => format!("{own}, chosen with {search} of {full}"),
        _ => own,
    }
}

/// What the study reports.
fn figures(study: Figures) -> String {
    let named = |name: &str, value: Option<f64>| value.map(|value| format!("{name}{value:.4}"));
    let shirt = study.shirt.map(|f1| format!("Shirt {f1:.2}"));
    let all = [named("", study.accuracy), named("loss ", study.loss), shirt];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Every run by itself.
fn runs(records: &[Record]) -> String {
    let mut text = "\n## Every run\n\n\
        | row | seed | accuracy | clean | loss | Shirt F1 | epochs at most | trained | minutes | machine |\n\
        |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for record in records {
        let clean = record.test.clean.as_ref().map(|clean| clean.accuracy);
        let _ = writeln!(
            text,
            "| `{}` | {} | {:.4} | {} | {:.4} | {} | {} | {} | {:.1} | {} |",
            record.row,
            record.run,
            record.test.accuracy,
            four(clean),
            record.test.loss,
            four(record.shirt()),
            record.epochs,
            record.trained,
            record.active_seconds / 60.0,
            record.machine,
        );
    }
    text
}

/// What else was tried on the test part: whoever reads a figure should know how often it was sought.
fn tried(records: &[Record]) -> String {
    let mut text = "\n## Other recipes that were measured\n\n\
        Each was run in full and measured on the test part. The rows have others: chosen on validation, but by people who \
        had seen these figures.\n\n\
        | row | recipe | test accuracy |\n|---|---|---|\n"
        .to_owned();
    let measured = TRIED.iter().filter(|old| records.iter().any(|record| record.row == old.row));
    for Tried { row, recipe, test } in measured {
        let _ = writeln!(text, "| `{row}` | {recipe} | {test} |");
    }
    text
}

/// Members and votes of an ensemble.
fn ensemble(row: &str, votes: &Votes) -> String {
    let members: Vec<&Voter> = votes.rows.iter().filter(|row| row.name.starts_with("member ")).collect();
    let accuracies: Vec<f64> = members.iter().map(|row| row.test.accuracy).collect();
    let values: Vec<String> = accuracies.iter().map(|accuracy| format!("{accuracy:.4}")).collect();
    let mut text = format!(
        "\n## The votes of `{row}`\n\n{} of {} members finished; the table above has the {VOTE}, and validation prefers the {} \
         vote. Losses are before and after the temperature that fits validation; the best member, the picks and all \
         temperatures are chosen there too.\n\n\
         | | accuracy | clean | loss | temperature | loss at it | Shirt F1 |\n|---|---|---|---|---|---|---|\n",
        votes.members, votes.planned, votes.vote,
    );
    for (name, shown) in [
        ("best single", "best member"),
        ("hard vote", "hard vote"),
        (VOTE, VOTE),
        ("greedy vote", "greedy vote"),
    ] {
        let Some(row) = votes.row(name) else { continue };
        let _ = writeln!(
            text,
            "| {shown} | {:.4} | {} | {:.4} | {:.3} | {:.4} | {} |",
            row.test.accuracy,
            four(row.clean.as_ref().map(|clean| clean.accuracy)),
            row.test.loss,
            row.temperature,
            row.scaled.test_loss,
            four(votes.shirt(row)),
        );
    }
    let _ = writeln!(text, "\nMembers alone: {} ({}).", spread(&accuracies), values.join(", "));
    text
}

fn four(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.4}")).unwrap_or_default()
}

/// The mean of values, and their deviation where there are several.
fn spread(values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    match values.len() {
        0 => String::new(),
        1 => format!("{mean:.4}"),
        _ => {
            let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            format!("{mean:.4} ± {:.4}", (squares / (count - 1.0)).sqrt())
        }
    }
}

#[cfg(test)]
mod tests;
