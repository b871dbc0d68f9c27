//! A report as files.

use std::io;

use super::{Report, Subject, page, picture::Picture, tables};

impl Report {
    /// The file of all numbers, which every report has.
    pub const FILE: &str = "report.json";

    /// Every file of the report by its path in the report's folder; trials.csv is the caller's.
    pub fn files(&self, subject: &Subject) -> io::Result<Vec<(String, Vec<u8>)>> {
        let (page, pictures) = page::page(self, subject);
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let mut files = vec![
            ("report.html".to_owned(), page.into_bytes()),
            (Self::FILE.to_owned(), json),
            ("curves.csv".to_owned(), tables::curves(subject)?),
            ("board.csv".to_owned(), tables::board(&self.board)?),
            ("best_so_far.csv".to_owned(), tables::rows(&self.best_so_far)?),
        ];
        if let Ok(part) = &subject.test {
            files.push(("predictions.csv".to_owned(), tables::predictions(part)?));
        }
        if let Some(importance) = self.importance.present() {
            files.push(("importance.csv".to_owned(), tables::rows(&importance.shares)?));
        }
        if let Some(test) = self.test_part.present() {
            files.push(("confusion.csv".to_owned(), tables::confusion(test)?));
            files.push(("classification.csv".to_owned(), tables::classification(test)?));
            files.push(("mistakes.csv".to_owned(), tables::mistakes(test)?));
            files.push(("calibration.csv".to_owned(), tables::rows(&test.calibration.bins)?));
        }
        if let Some(ensemble) = &self.ensemble {
            files.push(("votes.csv".to_owned(), tables::votes(ensemble)?));
        }
        files.extend(pictures.iter().map(Picture::file));
        Ok(files)
    }

    /// Whether some report has a file of this path in its folder. Not every report has all of them.
    pub fn may_have(path: &str) -> bool {
        const FILES: [&str; 12] = [
            "report.html",
            Report::FILE,
            "curves.csv",
            "board.csv",
            "best_so_far.csv",
            "predictions.csv",
            "importance.csv",
            "confusion.csv",
            "classification.csv",
            "mistakes.csv",
            "calibration.csv",
            "votes.csv",
        ];
        match path.strip_prefix("svg/").and_then(|name| name.strip_suffix(".svg")) {
            Some(name) => Picture::is_known(name),
            None => FILES.contains(&path),
        }
    }

    /// The page alone.
    pub fn page(&self, subject: &Subject) -> String {
        page::page(self, subject).0
    }
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
    fn files_are_known_by_their_names() {
        let subject = fixture::subject();
        for (path, _) in Report::new(&subject).unwrap().files(&subject).unwrap() {
            assert!(Report::may_have(&path), "{path}");
        }
        for other in ["notes.txt", "trials.csv", "svg/mine.svg", "svg/board-a.svg", "loss.svg"] {
            assert!(!Report::may_have(other), "{other}");
        }
    }

    #[test]
    fn predictions_are_the_stored_ones() {
        let text = file("predictions.csv");
        assert!(text.starts_with("index,label,p0,p1,p2\n0,0,0.8,0.1,0.1\n1,1,0.3,0.6,0.1\n"), "{text}");
        assert_eq!(text.lines().count(), 7);
    }

    #[test]
    fn a_sample_without_probabilities_costs_its_part_and_no_other() {
        let mut subject = fixture::subject();
        let part = subject.test.as_mut().unwrap();
        part.probabilities[12..24].copy_from_slice(&[f32::NAN; 3].map(f32::to_le_bytes).concat());
        let files = Report::new(&subject).unwrap().files(&subject).unwrap();
        let file = |name: &str| {
            let found = files.iter().find(|(path, _)| path == name);
            found.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        };
        let why = "the stored class probabilities of test sample 1 are no probabilities: they sum to NaN";
        assert!(file("report.html").unwrap().contains(&format!("Nothing is said of single classes: {why}.")));
        assert!(file("report.json").unwrap().contains(&format!("\"missing\": \"{why}\"")));
        assert!(file("predictions.csv").unwrap().contains("\n0,0,0.8,0.1,0.1\n1,1,,,\n2,"));
        assert!(
            file("board.csv").is_some() && file("curves.csv").is_some() && file("svg/loss.svg").is_some()
        );
        assert_eq!(
            (file("confusion.csv"), file("mistakes.csv"), file("calibration.csv")),
            (None, None, None)
        );
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
    fn every_part_of_the_page_has_its_table() {
        let head = |name: &str| file(name).lines().next().unwrap_or_default().to_owned();
        assert!(file("board.csv").starts_with(
            "bracket,s,iteration,rung,rung_epochs,trial,epochs,value,fate\n0,2,0,0,1,8,1,0.78,promoted\n"
        ));
        assert!(file("board.csv").contains("\n0,2,0,0,1,0,1,,failed\n"), "{}", file("board.csv"));
        assert!(file("best_so_far.csv").starts_with("epochs,value,trial\n2,"));
        assert_eq!(head("calibration.csv"), "above,up_to,samples,confidence,accuracy");
        assert_eq!(file("calibration.csv").lines().count(), 1 + 15);
        assert!(
            file("mistakes.csv").starts_with(
                "label,class,predicted,predicted_class,count,index,confidence,own\n0,shirt,1,<coat>,1,2,0.6"
            ),
            "{}",
            file("mistakes.csv")
        );
        let json: serde_json::Value = serde_json::from_str(&file("report.json")).unwrap();
        assert_eq!(json["planned_trials"], 17);
        let keys = file("report.json").matches("\n  \"").count();
        assert_eq!(json.as_object().map(|all| all.len()), Some(keys), "no key comes twice");
        assert_eq!(json["trials"].as_array().map(Vec::len), Some(fixture::subject().trials.len()));
        assert!(json["trials"][3]["hparams"].is_object() && json["trials"][3]["value"].is_number(), "{json}");
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
