mod generated;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use coordinator::report::Report;
use serde_json::Value;
use tests::{Cluster, Page, python_with, rung, scratch};

use generated::generated;

const FORMULA: &str = "
name: quick
model: formula
space: {width: {int: [1, 64]}, lr: {float: [0.0001, 0.1], log: true}}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
";

const REAL: &str = "
name: real
model: mlp
space: {layers: {int: [1, 2]}, units_0: {choice: [16, 32]}, units_1: {choice: [16, 32], when: layers >= 2}, lr: {choice: [0.01, 0.001]}}
scheduler: {kind: hyperband, max_epochs: 3, eta: 3}
train: {batch_size: 512}
seed: 5
";

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a study to its end; returns the folder of its report, written with no coordinator running.
fn reported(folder: &Path, study: &str) -> PathBuf {
    let (state, file, out) = (folder.join("state"), folder.join("study.yaml"), folder.join("out"));
    fs::write(&file, study).unwrap();
    rung(&state, &["run", &text(&file), "--local", "2", "--out", &text(&out)]).ok();
    assert!(out.join("report.html").exists(), "`rung run --out` leaves a page");
    let report = folder.join("report");
    let ran = rung(&state, &["report", "@last", "--out", &text(&report)]).ok();
    assert_eq!(ran.stdout.trim(), text(&report.join("report.html")));
    report
}

fn json(report: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(report.join("report.json")).unwrap()).unwrap()
}

/// The page, which must be well-formed, load nothing, and link to what it has.
fn page(report: &Path) -> Page {
    let text = fs::read_to_string(report.join("report.html")).unwrap();
    let page = Page::parse(&text);
    assert!(page.errors.is_empty(), "{:#?}", page.errors);
    for link in &page.links {
        let inside = link.strip_prefix('#').is_some_and(|id| page.ids.contains(id));
        assert!(inside || link.starts_with("data:image/png;base64,"), "the page loads {link}");
    }
    assert!(!text.contains("@import") && !text.contains("url("), "its style loads something");
    assert!(!page.elements.contains_key("script") && !page.elements.contains_key("link"));
    page
}

fn has(page: &Page, sections: &[&str]) {
    for section in sections {
        assert!(page.ids.contains(*section), "no {section} among {:?}", page.ids);
    }
}

#[test]
fn a_formula_study_has_a_page_without_classes() {
    let folder = scratch();
    let report = reported(folder.path(), FORMULA);
    let page = page(&report);
    has(
        &page,
        &[
            "study",
            "board",
            "curves",
            "progress",
            "hyperparameters",
            "importance-part",
            "test",
            "workers",
            "file",
        ],
    );
    let json = json(&report);
    assert!(json["test_part"]["missing"].as_str().unwrap().contains("formula"), "{}", json["test_part"]);
    assert_eq!(
        (&json["importance"]["trials"], &json["importance"]["epochs"]),
        (&11.into(), &3.into()),
        "{}",
        json["importance"]
    );
    let rungs = &page.tables["rungs"];
    assert_eq!(rungs.len(), 1 + 6, "one row for each rung: {rungs:?}");
    assert_eq!(rungs[1][..6], ["0", "0", "1", "9", "9", "3"]);
    let svg: BTreeSet<_> = fs::read_dir(report.join("svg"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    for picture in
        ["board-0.svg", "loss.svg", "accuracy.svg", "best-so-far.svg", "parallel.svg", "importance.svg"]
    {
        assert!(svg.contains(picture), "{svg:?}");
    }
    let curves = fs::read_to_string(report.join("curves.csv")).unwrap();
    assert_eq!(curves.lines().count(), 1 + 69, "a line for each epoch");
    let trials = fs::read_to_string(report.join("trials.csv")).unwrap();
    assert_eq!(trials.lines().count(), 1 + 17);
    let board = fs::read_to_string(report.join("board.csv")).unwrap();
    assert_eq!(board.lines().count(), 1 + 22, "a line for each result");
    assert_eq!(json["trials"].as_array().map(Vec::len), Some(17));
}

#[test]
fn a_study_without_result_is_refused_and_nothing_is_written() {
    let folder = scratch();
    let (state, file) = (folder.path().join("state"), folder.path().join("study.yaml"));
    fs::write(&file, FORMULA).unwrap();
    rung(&state, &["study", "submit", &text(&file)]).ok();
    let out = folder.path().join("report");
    let ran = rung(&state, &["report", "quick", "--out", &text(&out)]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no result yet") && ran.stderr.contains("rung study watch quick"), "{ran:?}");
    let best = rung(&state, &["best", "quick", "--out", &text(&out)]);
    assert!(best.code == Some(2) && best.stderr.contains("no result yet"), "{best:?}");
    let unknown = rung(&state, &["report", "nothing", "--out", &text(&out)]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(!out.exists());
}

#[test]
fn a_study_whose_trials_all_failed_never_has_a_result() {
    let folder = scratch();
    let (state, file) = (folder.path().join("state"), folder.path().join("study.yaml"));
    let study = "name: nan\nmodel: formula\nscheduler:\n  kind: fixed\n  epochs: 2\n  \
                 trials: [{hparams: {width: 1, fail: nan, fail_epoch: 1}}]\n";
    fs::write(&file, study).unwrap();
    let ran = rung(&state, &["run", &text(&file), "--local", "1"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("has finished without a result"), "{ran:?}");
    let out = text(&folder.path().join("report"));
    for args in [
        &["report", "nan", "--out", &out][..],
        &["best", "nan"],
        &["export", "nan", "--to", "safetensors", "--out", &out],
        &["evaluate", "nan"],
    ] {
        let ran = rung(&state, args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("has finished without a result; `rung trial list nan`"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_study_that_is_not_evaluated_yet_is_refused() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(&FORMULA.replace("space:", "train: {epoch_seconds: 0.05}\nspace:")).await?;
    cluster.until("quick", 30, |study| study.best.is_some()).await?;
    let out = cluster.state().join("report");
    let ran = rung(&cluster.state(), &["report", "quick", "--out", &text(&out)]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("rung study wait quick"), "{ran:?}");
    assert!(!out.exists());
    // With a coordinator running, the same command works as soon as the study has finished.
    cluster.table("quick").await?;
    rung(&cluster.state(), &["report", "quick", "--out", &text(&out)]).ok();
    let page = page(&out);
    assert_eq!(page.tables["worker-table"][1][0], "w0");
    assert_eq!(page.tables["worker-table"][1][2], "69", "all epochs were trained there");
    Ok(())
}

#[test]
fn a_real_studys_numbers_are_scikit_learns() {
    let folder = scratch();
    let report = reported(folder.path(), REAL);
    let (page, json) = (page(&report), json(&report));
    has(&page, &["confusion-part", "classes", "mistakes", "calibration"]);
    tables_are_the_jsons(&page, &json);
    assert!(json["test_part"]["accuracy"].as_f64().unwrap() > 0.7, "{}", json["test_part"]["accuracy"]);
    let recorded = json["test"]["loss"].as_f64().unwrap();
    assert!((json["test_part"]["log_loss"].as_f64().unwrap() - recorded).abs() < 1e-4);
    assert_eq!((&json["test_touches"], &json["test_part"]["validated"]), (&1.into(), &0.into()));
    assert_eq!(fs::read_to_string(report.join("predictions.csv")).unwrap().lines().count(), 10_001);
    agrees_with_scikit_learn(&report);
}

/// Every number of the page's tables about classes is report.json's, to the decimals shown.
fn tables_are_the_jsons(page: &Page, json: &Value) {
    let four = |value: &Value| format!("{:.4}", value.as_f64().unwrap());
    let test = &json["test_part"];
    for (row, class) in
        page.tables["classification"][1..].iter().zip(test["classification"]["classes"].as_array().unwrap())
    {
        let scores = ["precision", "recall", "f1"].map(|score| four(&class[score]));
        assert_eq!(row[0], class["class"]);
        assert_eq!(row[1..4], scores);
        assert_eq!(row[4].replace(',', ""), class["support"].to_string());
    }
    for (row, counts) in page.tables["confusion-table"][1..].iter().zip(test["confusion"].as_array().unwrap())
    {
        let counts: Vec<_> = counts.as_array().unwrap().iter().map(Value::to_string).collect();
        let shown: Vec<_> = row[1..].iter().map(|cell| cell.replace(',', "")).collect();
        assert_eq!(shown, counts);
    }
    for (row, trial) in page.tables["top"][1..].iter().zip(json["top"].as_array().unwrap()) {
        assert_eq!(
            (row[0].as_str(), row[2].as_str()),
            (trial["trial"].to_string().as_str(), four(&trial["value"]).as_str())
        );
    }
    let seen = test["calibration"]["bins"].as_array().unwrap().iter().filter(|bin| bin["samples"] != 0);
    for (row, bin) in page.tables["bins"][1..].iter().zip(seen) {
        assert_eq!(row[3], four(&bin["accuracy"]));
    }
}

#[test]
fn odd_predictions_are_scikit_learns_too() {
    let folder = scratch();
    let subject = generated();
    let report = Report::new(&subject).unwrap();
    for (path, bytes) in report.files(&subject).unwrap() {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let page = page(folder.path());
    has(&page, &["ensemble-part"]);
    // The member that validation prefers, though another one is better on the test part.
    assert_eq!(
        page.tables["ensemble-votes"][1],
        ["soft vote", "0.9500", "0.1600", "0.750", "0.1500", "+0.0200"]
    );
    assert_eq!(page.tables["ensemble-votes"][2][0], "best member (trial 0)");
    let votes = fs::read_to_string(folder.path().join("votes.csv")).unwrap();
    assert!(
        votes.starts_with("name,trial,accuracy,loss,temperature,scaled_loss,chosen\nmember,0,")
            && votes.contains("soft vote,,0.95,0.16,0.75,0.15,true\n"),
        "{votes}"
    );
    agrees_with_scikit_learn(folder.path());
}

fn agrees_with_scikit_learn(report: &Path) {
    let Some(python) = python_with("scikit-learn", "scikit-learn>=1.5") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/report.py");
    let output = Command::new(python).arg(script).arg(report).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}
