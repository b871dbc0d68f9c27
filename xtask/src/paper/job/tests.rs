use serde_json::json;

use super::*;
use crate::paper::left;

/// Everything in full, no more than so many runs.
fn limits(runs: u32) -> Limits {
    Limits { minutes: None, runs: Some(runs) }
}

fn record(row: &str, run: u32, epochs: u32) -> Record {
    let row = named(row).unwrap();
    serde_json::from_value(json!({
        "row": row.name, "run": run, "epochs": epochs, "file": digest(row).unwrap(), "trained": epochs,
        "parameters": 1, "metric": "val_accuracy", "value": 0.9, "test": {"accuracy": 0.9, "loss": 0.3},
        "hparams": {"layers": 1, "lr": 0.001, "units_0": 64}, "active_seconds": 30.0, "machine": "a machine",
    }))
    .unwrap()
}

fn left(names: &[&str], runs: u32, folder: &Path) -> Vec<Job> {
    let rows: Vec<&'static Row> = names.iter().map(|name| named(name).unwrap()).collect();
    Job::left(&rows, &limits(runs), folder).unwrap()
}

fn runs(jobs: &[Job]) -> Vec<(&str, u32)> {
    jobs.iter().map(|job| (job.row.name, job.run)).collect()
}

#[test]
fn what_is_recorded_of_the_same_file_at_the_same_scale_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    record("mlp-small", 1, 100).write(folder.path()).unwrap();
    record("mlp-small", 2, 50).write(folder.path()).unwrap();
    Record { file: Some("other".to_owned()), ..record("mlp-small", 3, 100) }.write(folder.path()).unwrap();
    assert_eq!(runs(&left(&["mlp-small"], 3, folder.path())), [("mlp-small", 2), ("mlp-small", 3)]);
    // The F1 that the study gives was not recorded.
    record("cnn-4block", 1, 60).write(folder.path()).unwrap();
    assert_eq!(runs(&left(&["cnn-4block"], 1, folder.path())), [("cnn-4block", 1)]);
}

#[test]
fn the_best_of_a_search_is_trained_after_it_by_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let both = left(&["mlp-search", "mlp-search-best"], 1, folder.path());
    assert_eq!(runs(&both), [("mlp-search", 1), ("mlp-search-best", 1)]);
    assert!(both[1].search.is_none());
    record("mlp-search", 1, 27).write(folder.path()).unwrap();
    let jobs = left(&["mlp-search-best"], 2, folder.path());
    assert_eq!(runs(&jobs), [("mlp-search-best", 1), ("mlp-search-best", 2)]);
    assert_eq!(jobs[1].study(), "paper-mlp-search-best-2-27");
    let arguments = jobs[1].arguments("study");
    assert!(arguments[0].ends_with("docs/paper/mlp-search.yaml"));
    let scheduler =
        r#"scheduler={kind: fixed, epochs: 27, trials: [{hparams: {"layers":1,"lr":0.001,"units_0":64}}]}"#;
    for set in [
        "data={split: none}",
        "objective={metric: train_loss}",
        "space={}",
        "name=study",
        "seed=2",
        scheduler,
    ] {
        assert!(arguments.iter().any(|argument| argument == set), "{arguments:?}");
    }
    let text = fs::read_to_string(&arguments[0]).unwrap();
    let study = StudySpec::from_yaml_with(&text, &jobs[1].replaced("study")).unwrap();
    assert_eq!((study.scheduler.max_epochs(), study.scheduler.listed().len(), study.seed), (27, 1, 2));
    // Another best configuration makes what was trained of the old one void.
    record("mlp-search-best", 1, 27).write(folder.path()).unwrap();
    assert!(left(&["mlp-search-best"], 1, folder.path()).is_empty());
    let other = Record { hparams: json!({"layers": 3}), ..record("mlp-search", 1, 27) };
    other.write(folder.path()).unwrap();
    assert_eq!(left(&["mlp-search-best"], 1, folder.path()).len(), 1);
}

#[test]
fn the_best_of_no_search_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let error = Job::left(&[named("mlp-search-best").unwrap()], &limits(1), folder.path()).unwrap_err();
    assert_eq!(crate::failure::exit_code(&error), 2);
    assert!(error.to_string().contains("add `--only mlp-search`"), "{error}");
}

#[test]
fn an_ensemble_is_one_run_of_so_many_members() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = left(&["ensemble"], 5, folder.path());
    let epochs = named("ensemble").unwrap().epochs;
    assert_eq!((jobs.len(), jobs[0].scale), (1, Scale { epochs, runs: 5 }));
    assert_eq!(jobs[0].title(), format!("ensemble, 5 of 15 members, {epochs} of {epochs} epochs"));
}

#[test]
fn what_is_left_is_estimated_by_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = left(&["mlp-small", "cnn-best"], 3, folder.path());
    let text = left::text(&jobs, &[], 2);
    let alone = |row: &str| named(row).unwrap().minutes * 60.0;
    let both = left::span((3.0 * alone("mlp-small") + 3.0 * alone("cnn-best")) / 2.0);
    assert!(text.starts_with(&format!("left: 6 runs, about {both} with 2 workers, a guess\n")), "{text}");
    // Half of the epochs were trained, at 0.6 seconds each.
    let known = Record { trained: 50, ..record("mlp-small", 1, 100) };
    let text = left::text(&jobs[..3], &[known], 2);
    assert!(text.starts_with("left: 3 runs, about 1 min with 2 workers\n"), "{text}");
    assert!(text.contains("3 runs of 100 epochs") && text.contains("0.6 s an epoch, measured"), "{text}");
    assert_eq!(left::text(&[], &[], 2), "nothing is left: every run has its record\n");
    let text = left::text(&left(&["cnn-best"], 1, folder.path()), &[], 2);
    let one = format!("about {} with", left::span(alone("cnn-best")));
    assert!(text.contains(&one), "one run is on one core: {text}");
}
