//! The test part class by class.

use maud::{Markup, html};

use super::{
    super::{TestReport, charts, classification::Scores},
    Part,
    table::{four, table},
};
use crate::cli::text::{count, plural};

/// Which classes are taken for which.
pub(super) fn confusion(test: &TestReport) -> Part {
    let picture = charts::confusion(&test.confusion, &test.classes);
    let names = test.classes.iter().map(|name| (name.as_str(), false));
    let columns: Vec<_> = std::iter::once(("true \\ predicted", false)).chain(names).collect();
    let row = |(name, counts): (&String, &Vec<u64>)| {
        std::iter::once(name.clone()).chain(counts.iter().map(|times| count(*times))).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = test.classes.iter().zip(&test.confusion.counts).map(row).collect();
    let body = html! {
        p {
            "What " (test.of.words()) " predicts for the " (count(test.samples as u64)) " test samples. Blue: classified correctly. Red: \
            mistakes, by their share of the true class."
        }
        (contaminated(test))
        (picture.scrolled())
        details { summary { "As a table" } (table("confusion-table", &columns, &rows, None)) }
    };
    Part { id: "confusion-part", heading: "Confusion matrix", body, pictures: vec![picture] }
}

/// Precision, recall and F1.
pub(super) fn classification(test: &TestReport) -> Part {
    let report = &test.classification;
    let line = |name: &str, scores: &Scores, support: u64| {
        vec![name.to_owned(), four(scores.precision), four(scores.recall), four(scores.f1), count(support)]
    };
    let mut rows: Vec<Vec<String>> =
        report.classes.iter().map(|class| line(&class.class, &class.scores, class.support)).collect();
    let dash = || "–".to_owned();
    rows.push(vec!["accuracy".to_owned(), dash(), dash(), four(report.accuracy), count(report.support)]);
    rows.push(line("macro avg", &report.macro_avg, report.support));
    rows.push(line("weighted avg", &report.weighted_avg, report.support));
    let columns =
        [("class", false), ("precision", false), ("recall", false), ("F1", false), ("support", false)];
    let body = html! {
        p {
            "Precision: of what was taken for the class, the share that is of it. Recall: of the class, the share that was taken for it. \
            F1: their harmonic mean. The macro average counts classes alike, the weighted one by their samples."
        }
        (contaminated(test))
        (table("classification", &columns, &rows, None))
    };
    Part { id: "classes", heading: "Classification report", body, pictures: Vec::new() }
}

/// That samples of the test part have helped to choose the model, where some have.
pub(super) fn contaminated(test: &TestReport) -> Markup {
    html! {
        @if test.validated > 0 {
            p {
                "Of the " (plural(test.samples as u64, "test sample")) " " (count(test.validated as u64)) " validated, and so helped to \
                choose the model: figures here are on all of them, and contaminated by those."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::metrics::{CleanMetrics, TestMetrics};

    use super::*;
    use crate::report::{Answerer, Report, Subject, TestPart, fixture, page::calibration};

    /// What stands in the parts about classes and probabilities.
    fn parts(subject: &Subject) -> [String; 3] {
        let report = Report::new(subject).unwrap();
        let test = report.test_part.present().unwrap();
        let parts = [confusion(test), classification(test), calibration::calibration(test)];
        parts.map(|part| part.body.into_string())
    }

    #[test]
    fn samples_are_counted_in_one_form() {
        let report = Report::new(&fixture::subject()).unwrap();
        let mut test = report.test_part.present().unwrap().clone();
        test.classification.support = 10_000;
        test.classification.classes[0].support = 1_000;
        test.confusion.counts[0][0] = 1_000;
        let table = classification(&test).body.into_string();
        assert_eq!(table.matches("<td>10,000</td>").count(), 3, "{table}");
        assert_eq!(table.matches("<td>1,000</td>").count(), 1, "{table}");
        let matrix = confusion(&test).body.into_string();
        assert!(
            matrix.contains("<td>1,000</td>") && matrix.contains("shirt taken for shirt: 1,000 of 1,001")
        );
        assert!(!matrix.contains(">1000<"), "{matrix}");
    }

    #[test]
    fn whose_predictions_they_are_is_told() {
        let mut subject = fixture::subject();
        assert!(parts(&subject)[0].contains("What the best trial predicts for the 6 test samples."));
        let own = subject.test.clone().unwrap();
        subject.test = Ok(TestPart { of: Answerer::Vote, ..own });
        let [matrix, _, calibration] = parts(&subject);
        assert!(matrix.contains("What the ensemble's vote predicts for the 6 test samples."), "{matrix}");
        assert!(
            calibration.contains("The probabilities are the vote's at its own temperature"),
            "{calibration}"
        );
        let report = serde_json::to_value(Report::new(&subject).unwrap()).unwrap();
        assert_eq!(report["test_part"]["of"], "vote");
    }

    #[test]
    fn figures_on_samples_that_validated_say_so() {
        let mut subject = fixture::subject();
        assert!(parts(&subject).iter().all(|part| !part.contains("validated")));
        let clean = Some(CleanMetrics { accuracy: 0.5, loss: 0.9, samples: 4 });
        subject.best.study.test = subject.best.study.test.map(|test| TestMetrics { clean, ..test });
        let said = "Of the 6 test samples 2 validated, and so helped to choose the model";
        for part in parts(&subject) {
            assert!(part.contains(said), "{part}");
        }
        let report = serde_json::to_value(Report::new(&subject).unwrap()).unwrap();
        assert_eq!(report["test_part"]["validated"], 2);
        assert_eq!(report["test_touches"], 1);
    }
}
