use common::metrics::{CleanMetrics, TestMetrics};

use super::super::text::{count, exact};

/// Columns of what a checkpoint scores on the test part.
pub(crate) const TEST: [&str; 2] = ["test.accuracy", "test.loss"];

/// Columns that there are only where some test samples validated.
pub(crate) const CLEAN: [&str; 3] = ["test.clean.accuracy", "test.clean.loss", "test.clean.samples"];

/// The cells of [`TEST`]; empty where nothing was measured.
pub(crate) fn test_cells(test: Option<&TestMetrics>) -> [String; 2] {
    [test.map(|test| test.accuracy), test.map(|test| test.loss)].map(exact)
}

/// The cells of [`CLEAN`]; empty where nothing was measured.
pub(crate) fn clean_cells(test: Option<&TestMetrics>) -> [String; 3] {
    let clean = test.and_then(|test| test.clean.as_ref());
    let [accuracy, loss] = [clean.map(|clean| clean.accuracy), clean.map(|clean| clean.loss)].map(exact);
    [accuracy, loss, clean.map(|clean| clean.samples.to_string()).unwrap_or_default()]
}

/// What a checkpoint scores on the test part, as names and values. Where some test samples validated, the test is on the others,
/// and the score on all is called contaminated.
pub(crate) fn test_facts(test: &TestMetrics) -> Vec<(&'static str, String)> {
    let score = |accuracy: f64, loss: f64| format!("accuracy {accuracy:.4}, loss {loss:.4}");
    let all = score(test.accuracy, test.loss);
    match &test.clean {
        None => vec![("test", all)],
        Some(CleanMetrics { accuracy, loss, samples }) => vec![
            ("test", format!("{} on the {} clean samples", score(*accuracy, *loss), count(*samples))),
            ("contaminated", format!("{all} on all, validation samples included")),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_test_samples_validated_the_test_is_on_the_others() {
        let clean = CleanMetrics { accuracy: 0.5, loss: 1.25, samples: 9_000 };
        let mut test = TestMetrics { accuracy: 0.75, loss: f64::INFINITY, clean: Some(clean) };
        let contaminated = "accuracy 0.7500, loss inf on all, validation samples included";
        assert_eq!(
            test_facts(&test),
            [
                ("test", "accuracy 0.5000, loss 1.2500 on the 9,000 clean samples".to_owned()),
                ("contaminated", contaminated.to_owned()),
            ]
        );
        assert_eq!(test_cells(Some(&test)), ["0.75", ""]);
        assert_eq!(clean_cells(Some(&test)), ["0.5", "1.25", "9000"]);
        (test.loss, test.clean) = (0.5, None);
        assert_eq!(test_facts(&test), [("test", "accuracy 0.7500, loss 0.5000".to_owned())]);
        assert_eq!(
            (test_cells(None).concat(), clean_cells(Some(&test)).concat()),
            <(String, String)>::default()
        );
    }
}
