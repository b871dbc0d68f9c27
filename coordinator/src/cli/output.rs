//! The only place that writes to the terminal: data to standard output, messages to standard error.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde::Serialize;

use super::{
    failure::{Code, Failure},
    hints::in_same_cluster,
};

/// The form in which a command writes what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document, on one line.
    Json,
    /// Comma-separated values under a line of column names.
    Csv,
}

/// What a reading command can show in every [`Format`]; its JSON is its serialisation.
pub(crate) trait Show: Serialize {
    /// For people.
    fn table(&self) -> String;

    /// As rows and columns.
    fn csv(&self) -> Table;
}

/// Writes what a command found to standard output.
pub(crate) fn show(found: &impl Show, format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => data(&found.table()),
        Format::Json => data(&serde_json::to_string(found)?),
        Format::Csv => data(&found.csv().to_csv()?),
    }
}

/// Writes text and a line's end to standard output.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes a line to standard error, the commands in it for the same cluster. That nobody listens there is no reason to stop.
pub(crate) fn message(text: &str) {
    let text = in_same_cluster(text, env::args_os());
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a failure and what would help to standard error.
pub(crate) fn failure(failure: &Failure) {
    let word = match failure.code {
        Code::Failed | Code::BadInput => emphasised("error:", "1;31"),
        Code::TimedOut => emphasised("timed out:", "1;33"),
        Code::Interrupted => emphasised("interrupted:", "1;33"),
    };
    message(&format!("{word} {}", failure.message));
    if let Some(help) = &failure.help {
        message(&format!("{} {help}", emphasised("help:", "1;36")));
    }
}

/// Text that tells of something bad, in red where standard error shows it.
pub(crate) fn bad(text: &str) -> String {
    emphasised(text, "31")
}

/// Whether standard error is a terminal that a live region can be drawn on.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A word in an ANSI style, where standard error shows it and nobody asked for none (<https://no-color.org>).
fn emphasised(word: &str, style: &str) -> String {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !is_live();
    if plain { word.to_owned() } else { format!("\x1b[{style}m{word}\x1b[0m") }
}

/// Rows under column names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Aligned columns, numbers to the right, without frames.
    pub(crate) fn render(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.head.iter().map(|name| name.to_uppercase())).add_rows(&self.rows);
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            let number = |cell: &String| {
                cell.is_empty()
                    || cell == "-"
                    || cell.replace([',', '%'], "").trim_end().parse::<f64>().is_ok()
            };
            if self.rows.iter().filter_map(|row| row.get(i)).all(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }

    /// RFC 4180 with line feeds.
    pub(crate) fn to_csv(&self) -> Result<String, Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.head)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        let bytes = writer.into_inner().map_err(|error| Failure::failed(error.error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Names and values in two columns.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = facts.iter().map(|(name, value)| format!("{name:width$}  {value}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["study", "value"]);
        table.row(["mlp", "0.5"]);
        table.row(["a, \"b\"", "12"]);
        table
    }

    #[test]
    fn tables_align_numbers_to_the_right() {
        assert_eq!(table().render(), "STUDY   VALUE\nmlp       0.5\na, \"b\"     12");
        let mut shares = Table::new(["share of train"]);
        shares.row(["10.0 %"]);
        assert_eq!(shares.render(), "SHARE OF TRAIN\n        10.0 %");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(table().to_csv().unwrap(), "study,value\nmlp,0.5\n\"a, \"\"b\"\"\",12\n");
    }

    #[test]
    fn facts_stand_in_two_columns() {
        let lines = facts(&[("trial", "3".to_owned()), ("val_accuracy", "0.9".to_owned())]);
        assert_eq!(lines, "trial         3\nval_accuracy  0.9\n");
    }
}
