//! The table: the study's own number beside Rung's, for every row.

use std::fmt::Write as _;

use super::record::Record;
use super::row::{ROWS, Row};

/// The page of all that was recorded.
pub(super) fn page(records: &[Record]) -> String {
    let mut page = "# The study that Rung grew from, beside what Rung measures\n\n\
        Written by `cargo xtask paper` from the files in [results/](results/); the studies are in [paper/](paper/).\n\n\
        Rows with the study's own split validate on a tenth of the *test* part, so their figure on all 10,000 images is \
        contaminated like the study's own; the clean one leaves those 1,000 out. All other rows touch the test part once, \
        at the end. Several runs have several seeds: mean ± deviation. A row that ran for fewer epochs than it has in full \
        says so, and claims nothing about the full one.\n\n\
        | stage | row | study | Rung, all 10,000 | Rung, clean 9,000 | loss | parameters | runs | epochs at most | minutes |\n\
        |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in ROWS {
        let own: Vec<&Record> = records.iter().filter(|record| record.row == row.name).collect();
        page.push_str(&line(row, &own));
    }
    let mut machines: Vec<&str> = records.iter().map(|record| record.machine.as_str()).collect();
    machines.sort_unstable();
    machines.dedup();
    if !machines.is_empty() {
        let _ = write!(page, "\nMeasured on: {}.\n", machines.join("; "));
    }
    page
}

fn line(row: &Row, records: &[&Record]) -> String {
    let study = match row.seed {
        Some((accuracy, Some(loss))) => format!("{accuracy:.4}, loss {loss:.4}"),
        Some((accuracy, None)) => format!("{accuracy:.4}"),
        None => String::new(),
    };
    let (stage, name, what) = (row.stage, row.name, row.what);
    let Some(first) = records.first() else {
        return format!(
            "| {stage} | `{name}` {what} | {study} | not run yet | | | | | {} in full | |\n",
            row.epochs
        );
    };
    let accuracies: Vec<f64> = records.iter().map(|record| record.test.accuracy).collect();
    let losses: Vec<f64> = records.iter().map(|record| record.test.loss).collect();
    let clean: Vec<f64> =
        records.iter().filter_map(|record| Some(record.test.clean.as_ref()?.accuracy)).collect();
    let contaminated = if clean.is_empty() { "" } else { " (contaminated)" };
    let epochs = if first.epochs == row.epochs {
        row.epochs.to_string()
    } else {
        format!("{} of {}", first.epochs, row.epochs)
    };
    let minutes: f64 = records.iter().map(|record| record.active_seconds / 60.0).sum();
    format!(
        "| {stage} | `{name}` {what} | {study} | {}{contaminated} | {} | {} | {} | {} of {} | {epochs} | {minutes:.1} |\n",
        spread(&accuracies),
        spread(&clean),
        spread(&losses),
        first.parameters,
        records.len(),
        row.runs,
    )
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
mod tests {
    use super::*;
    use crate::paper::record::Test;

    #[test]
    fn runs_are_averaged_and_short_ones_say_so() {
        let record = |run, accuracy| Record {
            row: "mlp-best".to_owned(),
            run,
            epochs: 8,
            trained: 8,
            parameters: 904_330,
            metric: "train_loss".to_owned(),
            value: 0.5,
            test: Test { accuracy, loss: 0.3, clean: None },
            hparams: serde_json::Value::Null,
            active_seconds: 6.0,
            machine: "a machine".to_owned(),
        };
        let page = page(&[record(1, 0.90), record(2, 0.91)]);
        let line = page.lines().find(|line| line.contains("`mlp-best`")).unwrap();
        assert!(line.contains("0.9050 ± 0.0071") && line.contains("| 2 of 5 | 8 of 16 | 0.2 |"), "{line}");
        assert!(page.contains("`cnn-best` Rung's own CNN, 272,186 parameters |  | not run yet"));
        assert!(page.ends_with("Measured on: a machine.\n"));
    }
}
