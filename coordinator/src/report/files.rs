//! A report as files.

use std::io;

use common::{metrics::CurvePoint, view::TrialView};

use super::{Report, Subject, TestPart, TestReport, page};

impl Report {
    /// Every file of the report by its path in the report's folder; trials.csv is the caller's.
    pub fn files(&self, subject: &Subject) -> io::Result<Vec<(String, Vec<u8>)>> {
        let (page, pictures) = page::page(self, subject);
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let mut files = vec![
            ("report.html".to_owned(), page.into_bytes()),
            ("report.json".to_owned(), json),
            ("curves.csv".to_owned(), curves(subject)?),
        ];
        if let (Some(test), Ok(part)) = (self.test_part.present(), &subject.test) {
            files.push(("predictions.csv".to_owned(), predictions(part)?));
            files.push(("confusion.csv".to_owned(), confusion(test)?));
            files.push(("classification.csv".to_owned(), classification(test)?));
        }
        files.extend(pictures.iter().map(super::picture::Picture::file));
        Ok(files)
    }

    /// The page alone.
    pub fn page(&self, subject: &Subject) -> String {
        page::page(self, subject).0
    }
}

/// Every epoch of every trial.
fn curves(subject: &Subject) -> io::Result<Vec<u8>> {
    let head = [
        "trial",
        "bracket",
        "epoch",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "val_macro_f1",
        "learning_rate",
        "seconds",
    ];
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
    let metrics = &point.metrics;
    let values = [
        metrics.train_loss,
        metrics.train_accuracy,
        metrics.val_loss,
        metrics.val_accuracy,
        metrics.val_macro_f1,
        point.learning_rate,
        point.seconds,
    ];
    let names = [trial.trial.to_string(), trial.bracket.to_string(), point.epoch.to_string()];
    // What is not finite is left empty: readers of CSV disagree on how to write it.
    let exact = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
    names.into_iter().chain(values.map(exact)).collect()
}

/// The test samples' classes and probabilities, exactly as they were stored.
fn predictions(part: &TestPart) -> io::Result<Vec<u8>> {
    let classes = part.classes.len();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = (0..classes).map(|class| format!("p{class}"));
    writer.write_record(["index", "label"].map(str::to_owned).into_iter().chain(names))?;
    let (values, _) = part.probabilities.as_chunks::<4>();
    for ((index, label), row) in part.labels.iter().enumerate().zip(values.chunks(classes)) {
        let row = row.iter().map(|value| f32::from_le_bytes(*value).to_string());
        writer.write_record([index.to_string(), label.to_string()].into_iter().chain(row))?;
    }
    bytes(writer)
}

fn confusion(test: &TestReport) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(std::iter::once("true").chain(test.classes.iter().map(String::as_str)))?;
    for (class, row) in test.classes.iter().zip(&test.confusion.counts) {
        writer.write_record(std::iter::once(class.clone()).chain(row.iter().map(u64::to_string)))?;
    }
    bytes(writer)
}

fn classification(test: &TestReport) -> io::Result<Vec<u8>> {
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

fn bytes(writer: csv::Writer<Vec<u8>>) -> io::Result<Vec<u8>> {
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn file(name: &str) -> String {
        let subject = fixture::subject();
        let files = Report::new(&subject).unwrap().files(&subject).unwrap();
        let found = files.into_iter().find(|(path, _)| path == name);
        String::from_utf8(found.unwrap_or_else(|| panic!("{name}")).1).unwrap()
    }

    #[test]
    fn predictions_are_the_stored_ones() {
        let text = file("predictions.csv");
        assert!(text.starts_with("index,label,p0,p1,p2\n0,0,0.8,0.1,0.1\n1,1,0.3,0.6,0.1\n"), "{text}");
        assert_eq!(text.lines().count(), 7);
    }

    #[test]
    fn curves_have_a_line_for_each_epoch() {
        let text = file("curves.csv");
        assert_eq!(text.lines().count(), 1 + 6 + 3 + 3 + 9);
        assert!(text.contains("0,0,1,0.5,,0.55,,,0.001,0.5\n"), "{text}");
    }

    #[test]
    fn tables_of_classes_name_them() {
        assert!(file("confusion.csv").starts_with("true,shirt,<coat>,boot & co\nshirt,1,1,0\n"));
        assert!(file("classification.csv").contains("accuracy,,,0.6666666666666666,6\n"));
    }

    #[test]
    fn the_page_escapes_names_and_loads_nothing() {
        let page = file("report.html");
        assert!(page.contains("&lt;coat&gt;") && !page.contains("<coat>"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
        assert!(page.contains("data:image/png;base64,"));
    }

    #[test]
    fn without_a_test_part_the_page_says_why() {
        let mut subject = fixture::subject();
        subject.test = Err("the formula trainer has no test data".to_owned());
        let files = Report::new(&subject).unwrap().files(&subject).unwrap();
        assert!(!files.iter().any(|(path, _)| path == "predictions.csv"));
        assert!(String::from_utf8_lossy(&files[0].1).contains("the formula trainer has no test data."));
        assert!(String::from_utf8_lossy(&files[1].1).contains("\"missing\": \"the formula trainer"));
    }
}
