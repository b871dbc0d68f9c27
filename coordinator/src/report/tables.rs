//! A report's numbers as CSV, one table for each part of the page.

use std::io;

use common::{ids::TrialNumber, metrics::CurvePoint, view::TrialView};
use serde::Serialize;

use super::{
    EnsembleSummary, Subject, TestPart, TestReport,
    board::{Board, Fate},
    calibration::Bin,
    importance::Share,
    progress::Step,
};
use crate::cli::text::exact;

/// What a table has rows of: the names of its fields in their order, which stand above a table without rows too.
pub(super) trait Row: Serialize {
    /// The names.
    const HEAD: &'static [&'static str];
}

impl Row for Step {
    const HEAD: &'static [&'static str] = &["epochs", "value", "trial"];
}

impl Row for Share {
    const HEAD: &'static [&'static str] = &["hparam", "share", "deviation"];
}

impl Row for Bin {
    const HEAD: &'static [&'static str] = &["above", "up_to", "samples", "confidence", "accuracy"];
}

/// Values as rows, under the names of their fields.
pub(super) fn rows<T: Row>(values: &[T]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(T::HEAD)?;
    for value in values {
        writer.serialize(value)?;
    }
    bytes(writer)
}

/// A trial on a rung.
#[derive(Serialize)]
struct BoardRow {
    bracket: usize,
    s: u32,
    iteration: u32,
    rung: usize,
    rung_epochs: u32,
    trial: TrialNumber,
    epochs: u32,
    value: Option<f64>,
    fate: Fate,
}

impl Row for BoardRow {
    const HEAD: &'static [&'static str] =
        &["bracket", "s", "iteration", "rung", "rung_epochs", "trial", "epochs", "value", "fate"];
}

/// Every trial on every rung that it had a result on, those that went on first.
pub(super) fn board(board: &Board) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    for bracket in &board.brackets {
        for (rung, level) in bracket.rungs.iter().enumerate() {
            found.extend(level.cells.iter().map(|cell| BoardRow {
                bracket: bracket.bracket,
                s: bracket.s,
                iteration: bracket.iteration,
                rung,
                rung_epochs: level.epochs,
                trial: cell.trial,
                epochs: cell.epochs,
                value: cell.value,
                fate: cell.fate,
            }));
        }
    }
    rows(&found)
}

/// Every epoch of every trial.
pub(super) fn curves(subject: &Subject) -> io::Result<Vec<u8>> {
    let head = ["trial", "bracket", "epoch"].into_iter().chain(CurvePoint::COLUMNS);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head)?;
    for trial in &subject.trials {
        for point in subject.history.curves.get(&trial.trial).into_iter().flatten() {
            writer.write_record(curve_row(trial, point))?;
        }
    }
    bytes(writer)
}

fn curve_row(trial: &TrialView, point: &CurvePoint) -> Vec<String> {
    let names = [trial.trial.to_string(), trial.bracket.to_string(), point.epoch.to_string()];
    names.into_iter().chain(point.numbers().map(|number| exact(Some(number)))).collect()
}

/// The test samples' classes and probabilities, exactly as they were stored.
pub(super) fn predictions(part: &TestPart) -> io::Result<Vec<u8>> {
    let classes = part.classes.len();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = (0..classes).map(|class| format!("p{class}"));
    writer.write_record(["index", "label"].map(str::to_owned).into_iter().chain(names))?;
    let (values, _) = part.probabilities.as_chunks::<4>();
    for ((index, label), row) in part.labels.iter().enumerate().zip(values.chunks(classes)) {
        let row = row.iter().map(|value| Some(f32::from_le_bytes(*value)).filter(|p| p.is_finite()));
        let row = row.map(|p| p.map(|p| p.to_string()).unwrap_or_default());
        writer.write_record([index.to_string(), label.to_string()].into_iter().chain(row))?;
    }
    bytes(writer)
}

/// How often each class was taken for which; a row for each true class.
pub(super) fn confusion(test: &TestReport) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(std::iter::once("true").chain(test.classes.iter().map(String::as_str)))?;
    for (class, row) in test.classes.iter().zip(&test.confusion.counts) {
        writer.write_record(std::iter::once(class.clone()).chain(row.iter().map(u64::to_string)))?;
    }
    bytes(writer)
}

/// Precision, recall and F1 of each class, and their averages.
pub(super) fn classification(test: &TestReport) -> io::Result<Vec<u8>> {
    let report = &test.classification;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["class", "precision", "recall", "f1", "support"])?;
    let classes = report.classes.iter().map(|class| (class.class.as_str(), class.scores, class.support));
    let averages = [("macro avg", report.macro_avg), ("weighted avg", report.weighted_avg)];
    let averages = averages.into_iter().map(|(name, scores)| (name, scores, report.support));
    let accuracy = report.accuracy.to_string();
    for (name, scores, support) in classes {
        let scores = [scores.precision, scores.recall, scores.f1].map(|score| score.to_string());
        writer.write_record([&[name.to_owned()], &scores[..], &[support.to_string()]].concat())?;
    }
    writer.write_record(["accuracy", "", "", &accuracy, &report.support.to_string()])?;
    for (name, scores, support) in averages {
        let scores = [scores.precision, scores.recall, scores.f1].map(|score| score.to_string());
        writer.write_record([&[name.to_owned()], &scores[..], &[support.to_string()]].concat())?;
    }
    bytes(writer)
}

/// A sample that was taken for another class.
#[derive(Serialize)]
struct MistakeRow<'a> {
    label: usize,
    class: &'a str,
    predicted: usize,
    predicted_class: &'a str,
    /// How often the one class is taken for the other.
    count: u64,
    index: usize,
    confidence: f64,
    own: f64,
}

impl Row for MistakeRow<'_> {
    const HEAD: &'static [&'static str] =
        &["label", "class", "predicted", "predicted_class", "count", "index", "confidence", "own"];
}

/// The most frequent mistakes: the samples that the page shows.
pub(super) fn mistakes(test: &TestReport) -> io::Result<Vec<u8>> {
    let found = test.confused.pairs.iter().flat_map(|pair| {
        pair.examples.iter().map(|example| MistakeRow {
            label: pair.label,
            class: &test.classes[pair.label],
            predicted: pair.predicted,
            predicted_class: &test.classes[pair.predicted],
            count: pair.count,
            index: example.index,
            confidence: example.confidence,
            own: example.own,
        })
    });
    rows(&found.collect::<Vec<_>>())
}

/// A member, or a way to vote.
#[derive(Serialize)]
struct VoteRow<'a> {
    name: &'a str,
    trial: Option<TrialNumber>,
    accuracy: f64,
    loss: Option<f64>,
    temperature: Option<f64>,
    scaled_loss: Option<f64>,
    /// Of votes, whether it is the one that is best on the validation part.
    chosen: Option<bool>,
}

impl Row for VoteRow<'_> {
    const HEAD: &'static [&'static str] =
        &["name", "trial", "accuracy", "loss", "temperature", "scaled_loss", "chosen"];
}

/// Members of an ensemble, then its votes.
pub(super) fn votes(ensemble: &EnsembleSummary) -> io::Result<Vec<u8>> {
    let members = ensemble.members.iter().map(|member| VoteRow {
        name: "member",
        trial: Some(member.trial),
        accuracy: member.accuracy,
        loss: Some(member.loss),
        temperature: None,
        scaled_loss: None,
        chosen: None,
    });
    let votes = ensemble.rows.iter().map(|row| VoteRow {
        name: &row.vote,
        trial: None,
        accuracy: row.accuracy,
        loss: row.loss,
        temperature: Some(row.temperature),
        scaled_loss: Some(row.scaled_loss),
        chosen: Some(row.vote == ensemble.chosen),
    });
    rows(&members.chain(votes).collect::<Vec<_>>())
}

fn bytes(writer: csv::Writer<Vec<u8>>) -> io::Result<Vec<u8>> {
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a value's fields, as they are serialised.
    fn fields<T: Row>(value: &T) -> Vec<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(value).unwrap();
        let text = String::from_utf8(bytes(writer).unwrap()).unwrap();
        text.lines().next().unwrap().split(',').map(str::to_owned).collect()
    }

    #[test]
    fn heads_are_the_names_of_fields() {
        let trial = TrialNumber(0);
        let step = Step { epochs: 1, value: 0.5, trial };
        let share = Share { hparam: "lr".to_owned(), share: 0.5, deviation: 0.0 };
        let board = BoardRow {
            bracket: 0,
            s: 0,
            iteration: 0,
            rung: 0,
            rung_epochs: 1,
            trial,
            epochs: 1,
            value: None,
            fate: Fate::Failed,
        };
        let mistake = MistakeRow {
            label: 0,
            class: "a",
            predicted: 1,
            predicted_class: "b",
            count: 1,
            index: 0,
            confidence: 0.5,
            own: 0.5,
        };
        let vote = VoteRow {
            name: "member",
            trial: None,
            accuracy: 0.5,
            loss: None,
            temperature: None,
            scaled_loss: None,
            chosen: None,
        };
        assert_eq!(fields(&step), Step::HEAD);
        assert_eq!(fields(&share), Share::HEAD);
        assert_eq!(fields(&Bin::default()), Bin::HEAD);
        assert_eq!(fields(&board), BoardRow::HEAD);
        assert_eq!(fields(&mistake), MistakeRow::HEAD);
        assert_eq!(fields(&vote), VoteRow::HEAD);
    }

    #[test]
    fn the_vote_that_is_chosen_is_marked() {
        let text = String::from_utf8(votes(&crate::report::fixture::ensemble("e")).unwrap()).unwrap();
        let votes = "soft vote,,0.95,0.19,0.712,0.18,true\nhard vote,,0.945,0.19,1.5,0.18,false\n";
        assert!(text.ends_with(votes) && text.contains("\nmember,7,0.93,0.2,,,\n"), "{text}");
    }

    #[test]
    fn a_table_without_rows_has_its_head() {
        assert_eq!(rows::<Step>(&[]).unwrap(), b"epochs,value,trial\n");
        let mistakes = rows::<MistakeRow<'_>>(&[]).unwrap();
        assert_eq!(mistakes, b"label,class,predicted,predicted_class,count,index,confidence,own\n");
    }
}
