use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Result;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use tests::{Cluster, rung, scratch};

/// Runs `rung`, expects exit code 2 and an error that says this, and that no state was left behind.
fn refused(args: &[&str], says: &[&str]) {
    let folder = scratch();
    let state = folder.path().join("state");
    let ran = rung(&state, args);
    assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
    assert_eq!(ran.stdout, "", "{args:?}");
    for word in says {
        assert!(ran.stderr.contains(word), "{args:?} does not say `{word}`:\n{}", ran.stderr);
    }
    let left: Vec<_> =
        fs::read_dir(&state).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    assert!(!state.join("rung.db").exists(), "{args:?} left {left:?}");
}

fn study_file(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("study.yaml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn plan_prints_the_documented_json() {
    let folder = scratch();
    let ran = rung(folder.path(), &["plan", "--max-epochs", "81", "--eta", "3", "-o", "json"]).ok();
    let rung = |configs: u32, epochs: u32| json!({"configs": configs, "epochs": epochs});
    assert_eq!(
        ran.json(),
        json!({
            "max_epochs": 81, "eta": 3, "sizes": "algorithm1",
            "brackets": [
                {"s": 4, "rungs": [rung(81, 1), rung(27, 3), rung(9, 9), rung(3, 27), rung(1, 81)]},
                {"s": 3, "rungs": [rung(34, 3), rung(11, 9), rung(3, 27), rung(1, 81)]},
                {"s": 2, "rungs": [rung(15, 9), rung(5, 27), rung(1, 81)]},
                {"s": 1, "rungs": [rung(8, 27), rung(2, 81)]},
                {"s": 0, "rungs": [rung(5, 81)]},
            ],
            "configs": 143, "evaluations": 206, "epochs_resumed": 1581, "epochs_retrained": 1902,
        })
    );
    let order = ["max_epochs", "eta", "sizes", "brackets", "configs", "evaluations", "epochs_resumed"];
    let places: Vec<_> = order.iter().map(|key| ran.stdout.find(&format!("\"{key}\"")).unwrap()).collect();
    assert!(places.is_sorted() || places[3] < places[4], "keys stand in the documented order: {places:?}");
}

#[test]
fn bad_studies_are_refused_with_what_to_do() {
    let folder = scratch();
    let start = "name: x\nmodel: formula\n";
    let cases = [
        ("name: x\nmodel: formula\nschedular: {kind: hyperband}\n", vec!["schedular", "scheduler", "3"]),
        ("name: x\nmodel: mpl\nspace: mlp\n", vec!["mpl", "mlp"]),
        (&format!("{start}space: {{}}\n"), vec!["space"]),
        (&format!("{start}train.patience: 1\n"), vec!["`train.patience`", "`train: {patience: …}`"]),
        (&format!("{start}space: {{lr: {{float: [2, 1]}}}}\n"), vec!["lr"]),
        (
            &format!("{start}space: {{a: {{int: [1, 9]}}}}\nscheduler: {{kind: hyperband, eta: 1}}\n"),
            vec!["eta"],
        ),
        (
            &format!("{start}space: {{a: {{int: [1, 9]}}}}\nscheduler: {{kind: hyperband, max_epochs: 0}}\n"),
            vec!["max_epochs"],
        ),
    ];
    for (text, says) in cases {
        refused(&["run", &study_file(&folder, text)], &says);
    }
}

#[test]
fn bad_arguments_are_refused_with_what_to_do() {
    refused(&["run", "mlpp"], &["mlpp", "mlp"]);
    refused(&["run", "mlp", "--eta", "1"], &["eta"]);
    refused(&["run", "mlp", "--max-epochs", "0"], &["--max-epochs", "from 1 to 100000"]);
    refused(&["run", "mlp", "--set", "scheduler.max_epoch=3"], &["max_epoch", "max_epochs"]);
    refused(
        &["run", "no/such/file.yaml"],
        &["no/such/file.yaml", "`rung study example mlp > no/such/file.yaml`"],
    );
    refused(&["plan", "mlp-small", "--eta", "3"], &["--eta is for Hyperband", "leave it out"]);
    refused(&["plan", "mlp-small", "--sizes", "keras"], &["--sizes is for Hyperband", "leave it out"]);
    refused(&["plan", "mlp-small", "--rounding", "ceil"], &["--rounding is for Hyperband"]);
    refused(
        &["run", "mlp-small", "--set", "scheduler.iterations=2"],
        &["--set scheduler.iterations is for Hyperband"],
    );
    refused(&["model", "show", "cnn-4blok"], &["cnn-4block"]);
    refused(&["data", "show", "fashion-minst"], &["fashion-mnist"]);
    refused(&["serve", "--listen", "0.0.0.0:0", "--no-tls"], &["127.0.0.1", "--no-tls"]);
    refused(&["serve", "--listen", "0.0.0.0:0", "--no-auth"], &["127.0.0.1", "--no-auth"]);
    refused(&["best", "nothing"], &["there is no study nothing, for state folder", "rung run"]);
    refused(&["plan", "--max-epochs", "-1"], &["invalid value '-1' for '--max-epochs <R>'"]);
}

#[test]
fn a_usage_line_does_not_ask_for_what_variables_give() {
    // `rung` runs with variables for --state and --config here.
    let ran = rung(scratch().path(), &["report", "mlp"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("Usage: rung report --out <DIR> <STUDY>\n"), "{ran:?}");
}

#[test]
fn a_damaged_data_file_is_named_with_its_checksum() {
    let folder = scratch();
    for part in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        fs::write(folder.path().join(format!("{part}-ubyte.gz")), b"not a data file").unwrap();
    }
    let mut command = Command::new(tests::program("rung"));
    command.args(["data", "verify", "fashion-mnist"]).env("RUNG_DATA", folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("-ubyte.gz"), "{said}");
}

#[tokio::test]
async fn a_port_or_folder_in_use_is_refused() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    refused(&["serve", "--listen", cluster.address()], &["--listen"]);
    let ran = rung(&cluster.state(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--state"), "{ran:?}");
    Ok(())
}

#[test]
fn a_workers_variables_do_not_reach_into_its_other_commands() {
    let mut doctor = Command::new(tests::program("rung-worker"));
    doctor.args(["doctor", "--device", "cpu"]).env("RUNG_DATA", "/nowhere").env("RUNG_SLOTS", "1");
    let output = doctor.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    let mut worker = Command::new(tests::program("rung-worker"));
    let output = worker.env_remove("RUNG_JOIN").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--join"));
}

/// One study through the command line alone: `run` starts the coordinator and a worker, and reading verbs work
/// afterwards with no coordinator.
#[test]
fn run_ends_with_a_result_that_reading_verbs_show() {
    let folder = scratch();
    let state = folder.path().join("state");
    let study = study_file(
        &folder,
        "name: quick\nmodel: formula\nspace: {width: {int: [1, 64]}}\n\
         scheduler: {kind: hyperband, max_epochs: 9, eta: 3}\n",
    );
    let out = folder.path().join("out");
    let out_text = out.display().to_string();
    rung(&state, &["run", &study, "--local", "2", "--out", &out_text]).ok();
    for file in ["best.json", "best.yaml", "trials.csv"] {
        assert!(out.join(file).exists(), "{file}");
    }
    for file in ["model.json", "model.safetensors"] {
        assert!(!out.join(file).exists(), "the formula has no model, but {file} is there");
    }
    let best = rung(&state, &["best", "quick", "-o", "json"]).ok().json();
    assert_eq!(
        rung(&state, &["best", "-o", "json"]).ok().json(),
        best,
        "of the latest study where none is named"
    );
    assert_eq!(best["study"], "quick");
    assert_eq!(best["epochs"], 9);
    assert_eq!(best["complete"], true);
    assert!(best["test"]["accuracy"].is_number(), "{best}");
    let trials = rung(&state, &["trial", "list", "@last", "-o", "json"]).ok().json();
    let trials = trials.as_array().unwrap();
    assert_eq!(trials.len(), 17);
    for key in ["trial", "bracket", "rung", "epochs", "state", "value", "hparams", "worker", "leases"] {
        assert!(trials.iter().all(|trial| !trial[key].is_null()), "{key}");
    }
    assert!(rung(&state, &["study"]).ok().stdout.contains("quick"), "a noun alone lists");
    let cut = trials.iter().find(|trial| trial["state"] == "stopped").unwrap()["trial"].to_string();
    let gone = ["export", "quick", "--to", "safetensors", "--trial", &cut, "--out", &out_text];
    let gone = rung(&state, &gone);
    assert_eq!(gone.code, Some(2), "{gone:?}");
    assert!(gone.stderr.contains(&format!("trial {cut} of study quick has no weights any more")), "{gone:?}");

    // What best.yaml describes is trained again to the same weights.
    let again = out.join("best.yaml").display().to_string();
    rung(&state, &["run", &again, "--local", "1"]).ok();
    let retrained = rung(&state, &["best", "@last", "-o", "json"]).ok().json();
    assert_eq!(retrained["weights"], best["weights"]);
    assert_eq!(retrained["test"], best["test"]);
}

/// A second command on a state folder uses the first one's coordinator and its workers, and outlives both.
#[test]
fn a_run_goes_on_when_the_command_whose_coordinator_it_uses_has_ended() {
    let folder = scratch();
    let (state, out) = (folder.path().join("state"), folder.path().join("out"));
    let study = |name: &str, epochs: u32| {
        let path = folder.path().join(format!("{name}.yaml"));
        let scheduler = format!("{{kind: fixed, epochs: {epochs}, trials: [{{hparams: {{x: 0.5}}}}]}}");
        let text =
            format!("name: {name}\nmodel: formula\nscheduler: {scheduler}\ntrain: {{epoch_seconds: 0.25}}\n");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (short, long) = (study("short", 12), study("long", 40));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| rung(&state, &["run", &short, "--local", "1"]));
        while trust::Published::of_folder(&state).is_none() {
            assert!(!first.is_finished(), "it ended before the second began");
            sleep(Duration::from_millis(20));
        }
        let second = rung(&state, &["run", &long, "--out", &out.display().to_string()]).ok();
        first.join().unwrap().ok();
        for words in ["goes on in its place", "study long goes on"] {
            assert!(second.stderr.contains(words), "not said: {words}\n{}", second.stderr);
        }
    });
    let best = rung(&state, &["best", "long", "-o", "json"]).ok().json();
    assert_eq!((&best["epochs"], &best["complete"]), (&json!(40), &json!(true)));
    assert!(out.join("best.json").exists());
}

#[test]
fn a_run_that_goes_on_with_a_paused_study_says_so() {
    let folder = scratch();
    let state = folder.path().join("state");
    let study =
        "name: rests\nmodel: formula\nscheduler: {kind: fixed, epochs: 2, trials: [{hparams: {x: 0.5}}]}\n";
    let file = study_file(&folder, study);
    rung(&state, &["study", "submit", &file]).ok();
    rung(&state, &["study", "pause", "rests"]).ok();
    let ran = rung(&state, &["run", &file, "--local", "1"]).ok();
    assert!(ran.stderr.contains("study rests was paused\nstudy rests goes on: 0 of 2 epochs"), "{ran:?}");
    let again = rung(&state, &["run", &file, "--local", "1"]).ok();
    assert!(!again.stderr.contains("paused"), "{again:?}");
}

#[test]
fn a_stopped_study_is_measured_by_the_next_run_or_deleted_unmeasured() {
    let folder = scratch();
    let state = folder.path().join("state");
    let study = "name: cut\nmodel: formula\nspace: {x: {float: [0, 1]}}\ntrain: {epoch_seconds: 0.2}\n\
                 scheduler: {kind: hyperband, max_epochs: 27}\n";
    let file = study_file(&folder, study);
    assert_eq!(rung(&state, &["run", &file, "--local", "2", "--timeout", "8s"]).code, Some(124));
    let delete = |state: &Path| rung(state, &["study", "delete", "cut"]);
    let refused = delete(&state);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("stop it first"), "{refused:?}");
    let stopped = rung(&state, &["study", "stop", "cut"]).ok();
    assert!(stopped.stderr.contains("the next worker measures its best trial"), "{stopped:?}");
    let copy = folder.path().join("copy");
    rung(&state, &["backup", &copy.display().to_string()]).ok();
    delete(&copy).ok();
    assert_eq!(rung(&copy, &["study", "list", "-o", "json"]).ok().json(), json!([]));
    rung(&copy, &["fsck"]).ok();
    let out = folder.path().join("report").display().to_string();
    let report = rung(&state, &["report", "cut", "--out", &out]);
    assert_eq!(report.code, Some(2), "{report:?}");
    for says in ["(it was stopped)", "`rung run` with the same study"] {
        assert!(report.stderr.contains(says), "not said: {says}\n{report:?}");
    }
    let nobody = "so nothing trains until one has workers";
    let said = |args: &[&str]| rung(&state, args).ok().stderr.contains(nobody);
    assert!(said(&["study", "list"]) && said(&["study", "show", "cut"]));
    assert!(!said(&["study", "list", "-o", "json"]) && !said(&["study", "show", "cut", "-o", "csv"]));
    rung(&state, &["run", &file, "--local", "1"]).ok();
    assert!(!said(&["study", "list"]), "it has finished");
    delete(&state).ok();
}

/// `timeout` signals the command and then its process group, so that two signals come at once.
#[test]
fn a_run_that_is_signalled_twice_at_once_lets_its_workers_save() {
    let folder = scratch();
    let state = folder.path().join("state");
    let scheduler = "{kind: fixed, epochs: 400, trials: [{hparams: {x: 0.5}}]}";
    let study =
        format!("name: slow\nmodel: formula\nscheduler: {scheduler}\ntrain: {{epoch_seconds: 0.25}}\n");
    let mut command = Command::new(tests::program("rung"));
    command.args(["run", &study_file(&folder, &study), "--local", "1"]).env("RUNG_STATE", &state);
    command.env("NO_COLOR", "1").env("RUNG_CONFIG", "/dev/null");
    command.env_remove("RUNG_TOKEN").env_remove("RUNG_COORDINATOR");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let leased = || {
        let list = rung(&state, &["study", "list", "-o", "json"]);
        list.code == Some(0) && list.json()[0]["leases"].as_u64().is_some_and(|leases| leases > 0)
    };
    let begun = Instant::now();
    while trust::Published::of_folder(&state).is_none() || !leased() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is leased");
        sleep(Duration::from_millis(50));
    }
    for _ in 0..2 {
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
        sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopping: local workers save") && !said.contains("quitting at once"), "{said}");
}
