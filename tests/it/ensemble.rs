use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use common::{trial::TrialState, view::StudyPhase};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tests::{Cluster, Ran, rung, scratch};

/// The tuned study: two small networks on real data, one epoch each.
const PARENT: &str = "
name: parent
model: mlp
scheduler:
  kind: fixed
  epochs: 1
  trials:
    - hparams: {layers: 1, units_0: 16, dropout_0: 0.2, lr: 0.01}
    - hparams: {layers: 1, units_0: 32, dropout_0: 0.0, lr: 0.01}
train: {batch_size: 512}
seed: 5
";

/// A study that trains on all there is.
const ALL: &str = "name: all\ndata: {split: none}\nobjective: {metric: train_loss}";

/// A cluster with a finished parent.
async fn tuned(workers: usize) -> Result<Cluster> {
    let cluster = Cluster::with_lease(workers, 5).await?;
    cluster.submit(PARENT).await?;
    cluster.table("parent").await?;
    Ok(cluster)
}

/// `rung` on the cluster's state folder, beside whatever else the test does.
async fn command(cluster: &Cluster, line: &str) -> Result<Ran> {
    let (state, args) = (cluster.state(), line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let ran = move || rung(&state, &args.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(tokio::task::spawn_blocking(ran).await?)
}

fn file(folder: &Path, name: &str) -> Result<String> {
    fs::read_to_string(folder.join(name)).with_context(|| name.to_owned())
}

#[tokio::test]
async fn an_ensemble_is_the_same_whatever_happens_to_its_workers() -> Result<()> {
    let (calm, stormy) = (scratch(), scratch());
    let line =
        |folder: &Path| format!("ensemble parent --members 3 --epochs 3 --out {} -o json", folder.display());
    let cluster = tuned(1).await?;
    let expected = command(&cluster, &line(calm.path())).await?.ok();
    sound(&expected.json());
    for name in
        ["ensemble.csv", "member-0/model.json", "member-0/model.safetensors", "member-2/model.safetensors"]
    {
        assert!(calm.path().join(name).exists(), "{name}");
    }
    assert_eq!(file(calm.path(), "predictions.csv")?.lines().count(), 10_001);
    its_vote_answers(&cluster, calm.path(), &expected.json()).await?;
    reports_tell_of_it(&cluster, &expected.json()).await?;
    members_that_are_missing_are_left_out(&cluster).await?;

    let mut killed = tuned(2).await?;
    let running = {
        let (state, line) = (killed.state(), line(stormy.path()));
        tokio::task::spawn_blocking(move || rung(&state, &line.split(' ').collect::<Vec<_>>()))
    };
    killed.until("parent-ensemble", 120, |study| study.leases == 2 && study.epochs == 0).await?;
    let early = command(&killed, "evaluate parent-ensemble").await?;
    assert_eq!(early.code, Some(2), "{early:?}");
    assert!(early.stderr.contains("`rung study wait parent-ensemble` waits"), "{}", early.stderr);
    killed.kill_worker(0)?;
    killed.until("parent-ensemble", 120, |study| study.epochs >= 3).await?;
    killed.kill_coordinator()?;
    killed.start_coordinator().await?;
    let ran = running.await?.ok();
    assert_eq!(ran.stdout, expected.stdout);
    for name in ["ensemble.json", "ensemble.csv", "predictions.csv"] {
        assert_eq!(file(stormy.path(), name)?, file(calm.path(), name)?, "{name}");
    }
    let attempts: u32 = killed.trials("parent-ensemble").await?.iter().map(|trial| trial.attempts).sum();
    assert!(attempts > 6, "a kill in the middle costs an attempt: {attempts}");
    Ok(())
}

/// Three members that differ, each measured once, and votes that were chosen on validation.
fn sound(found: &Value) {
    let three = Value::from(3);
    assert_eq!([&found["members"], &found["planned"], &found["test_touches"]], [&three; 3]);
    let row = |name: &str| {
        let rows = found["rows"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {found}")).clone()
    };
    let value = |name: &str, part: &str| row(name)[part]["accuracy"].as_f64().unwrap();
    assert_ne!(row("member 0")["test"], row("member 1")["test"]);
    assert!(value("greedy vote", "validation") >= value("best single", "validation"));
    assert!(value("soft vote", "test") > 0.75, "{found}");
    assert_eq!(row("soft vote")["test"]["f1"].as_array().unwrap().len(), 10);
    assert_eq!(found["chosen_on"], "validation");
}

/// The vote measures, out of the study and out of the folder, what the ensemble measured; and answers samples.
async fn its_vote_answers(cluster: &Cluster, folder: &Path, ensemble: &Value) -> Result<()> {
    let folder = folder.display().to_string();
    let vote = format!("{} vote", ensemble["vote"].as_str().context("a vote")?);
    let row = ensemble["rows"].as_array().context("rows")?.iter().find(|row| row["name"] == *vote);
    let row = row.context("the vote's row")?;
    let number = |value: &Value| value.as_f64().context("a number");
    for model in ["parent-ensemble", &folder] {
        let found = command(cluster, &format!("evaluate {model} -o json")).await?.ok().json();
        let (accuracy, loss) = (number(&row["test"]["accuracy"])?, number(&row["scaled"]["test_loss"])?);
        // A member's stored probabilities are of single precision, and may tie two classes.
        assert!((number(&found["accuracy"])? - accuracy).abs() < 3e-4, "{found} is not {row}");
        assert!((number(&found["loss"])? - loss).abs() < 1e-5, "{found} is not {row}");
        let name = found["model"].as_str().context("a name")?;
        assert!(name.starts_with(&vote) && name.ends_with("of parent-ensemble"), "{name}");
    }
    let alone = command(cluster, &format!("evaluate {folder}/member-1")).await?.ok().stdout;
    assert!(alone.contains("trial 1 of parent-ensemble"), "{alone}");
    let stray = Path::new(&folder).join("model.json");
    fs::write(&stray, "{}")?;
    let ran = command(cluster, &format!("evaluate {folder}")).await?;
    fs::remove_file(&stray)?;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("holds a model and an ensemble"), "{}", ran.stderr);
    let path = Path::new(&folder).join("member-1/model.json");
    fs::rename(&path, path.with_extension("away"))?;
    let ran = command(cluster, &format!("evaluate {folder}")).await?;
    fs::rename(path.with_extension("away"), &path)?;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("member-1/model.json: No such file"), "{}", ran.stderr);
    Ok(())
}

/// The tuned study's report and the ensemble's own have its members and votes, as it measured them.
async fn reports_tell_of_it(cluster: &Cluster, ensemble: &Value) -> Result<()> {
    let row = |name: String| {
        let rows = ensemble["rows"].as_array().into_iter().flatten();
        rows.clone().find(|row| row["name"] == *name).unwrap_or_else(|| panic!("{name}: {ensemble}"))
    };
    for study in ["parent", "parent-ensemble"] {
        let folder = scratch();
        command(cluster, &format!("report {study} --out {}", folder.path().join("r").display())).await?.ok();
        let report: Value = serde_json::from_str(&file(folder.path(), "r/report.json")?)?;
        let told = &report["ensemble"];
        assert_eq!(told["name"], "parent-ensemble", "{study}: {told}");
        let members = told["members"].as_array().context("members")?;
        assert_eq!(members.len(), 3);
        for member in members {
            let (row, trial) = (row(format!("member {}", member["trial"])), &member["trial"]);
            assert_eq!(member["accuracy"], row["test"]["accuracy"], "{study}, member {trial}");
            assert_eq!(member["loss"], row["test"]["loss"], "{study}, member {trial}");
        }
        for vote in ["soft vote", "hard vote", "greedy vote"] {
            let rows = told["rows"].as_array().context("rows")?;
            let told = rows.iter().find(|row| row["vote"] == vote).context("the vote")?;
            let row = row(vote.to_owned());
            assert_eq!(told["accuracy"], row["test"]["accuracy"], "{study}, {vote}");
            assert_eq!(told["temperature"], row["temperature"], "{study}, {vote}");
            assert_eq!(told["scaled_loss"], row["scaled"]["test_loss"], "{study}, {vote}");
        }
        let chosen = told["chosen"].as_str().context("the chosen vote")?;
        assert_eq!(chosen.strip_suffix(" vote"), ensemble["vote"].as_str(), "{study}");
        // The ensemble's own report is on its vote, the tuned study's on its best trial.
        let (of, recorded) = match study {
            "parent-ensemble" => ("vote", row(chosen.to_owned())["test"]["accuracy"].clone()),
            _ => ("best_trial", report["test"]["accuracy"].clone()),
        };
        let test = &report["test_part"];
        assert_eq!(test["of"], of, "{study}");
        let (shown, recorded) = (test["accuracy"].as_f64(), recorded.as_f64());
        let apart = shown.context("shown")? - recorded.context("recorded")?;
        // Probabilities of single precision may tie two classes.
        assert!(apart.abs() < 3e-4, "{study}: {test}");
        assert_eq!(file(folder.path(), "r/votes.csv")?.lines().count(), 1 + 3 + 3);
    }
    Ok(())
}

/// A member whose trainer is killed at every attempt fails, and the others vote.
#[tokio::test]
async fn an_ensemble_goes_on_without_a_member_that_fails() -> Result<()> {
    let cluster = tuned(1).await?;
    let state = cluster.state();
    let running = tokio::task::spawn_blocking(move || {
        rung(&state, &["ensemble", "parent", "--members", "3", "--epochs", "20", "-o", "json"])
    });
    cluster.until("parent-ensemble", 60, |study| study.leases > 0).await?;
    // Killed too fast, a trainer never comes up, and the worker gives up.
    let failed = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let first = &cluster.trials("parent-ensemble").await?[0];
            match first.state {
                TrialState::Failed => return anyhow::Ok(first.failure.clone()),
                TrialState::Completed => bail!("the member has got through"),
                TrialState::Running => {
                    for trainer in cluster.trainers(0)? {
                        // It may have ended just now.
                        let _ = kill(trainer, Signal::SIGKILL);
                    }
                }
                _ => {}
            }
        }
    };
    let reason = tokio::time::timeout(Duration::from_secs(60), failed).await??.context("a reason")?;
    let ran = running.await?.ok();
    let found = ran.json();
    assert!(ran.stderr.contains(&format!("2 of 3 members vote; left out are trial 0 ({reason})")), "{ran:?}");
    assert!(reason.contains("3 attempts failed"), "{reason}");
    assert_eq!((&found["members"], &found["planned"]), (&Value::from(2), &Value::from(3)));
    assert_eq!(found["failed"], serde_json::json!([{"trial": 0, "reason": reason}]));
    Ok(())
}

/// Of a finished ensemble what one member said is lost, then what all said.
async fn members_that_are_missing_are_left_out(cluster: &Cluster) -> Result<()> {
    let id = cluster.study("parent-ensemble").await?.id;
    let lose = |trial: u32| -> Result<()> {
        for entry in fs::read_dir(cluster.state().join("objects").join(id.as_str()).join(trial.to_string()))?
        {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "f32") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    };
    lose(1)?;
    let ran = command(cluster, "ensemble parent-ensemble --vote hard -o json").await?.ok();
    assert!(ran.stderr.contains("2 of 3 members vote; left out are trial 1"), "{}", ran.stderr);
    assert_eq!((&ran.json()["members"], &ran.json()["vote"]), (&Value::from(2), &Value::from("hard")));
    lose(0)?;
    lose(2)?;
    let ran = command(cluster, "evaluate parent-ensemble").await?;
    assert!(ran.stderr.contains("--trial N --out DIR` writes one member's model"), "{}", ran.stderr);
    let ran = command(cluster, "ensemble parent-ensemble").await?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("no member of ensemble parent-ensemble is left"), "{}", ran.stderr);
    Ok(())
}

#[tokio::test]
async fn trials_of_the_study_vote_without_training() -> Result<()> {
    let cluster = tuned(1).await?;
    let ran = command(&cluster, "ensemble parent --members 5 --from trials -o json").await?.ok();
    assert!(ran.stderr.contains("study parent has 2 trials with a model"), "{}", ran.stderr);
    let (found, best) = (ran.json(), cluster.study("parent").await?);
    assert_eq!((&found["members"], &found["from"]), (&Value::from(2), &Value::from("trials")));
    let tested = best.test.context("the parent was evaluated")?.accuracy;
    let member = found["rows"].as_array().context("rows")?.iter().find(|row| row["name"] == "best single");
    let found = member.context("a best single")?["test"]["accuracy"].as_f64().context("a number")?;
    // A probability in single precision may tie two classes that its logarithm told apart.
    assert!((found - tested).abs() < 3e-4, "{found} is not {tested}");
    let study = cluster.until("parent-ensemble", 60, |study| study.phase == StudyPhase::Finished).await?;
    assert_eq!((study.epochs, study.test_touches), (0, 2));
    let folder = scratch();
    let out = folder.path().display();
    for trial in [0, 1] {
        let line = format!("export parent-ensemble --to safetensors --trial {trial} --out {out}/{trial}");
        command(&cluster, &line).await?.ok();
        let model: Value = serde_json::from_str(&file(folder.path(), &format!("{trial}/model.json"))?)?;
        assert!(model["test"]["accuracy"].is_f64(), "it was measured: {model}");
    }
    command(&cluster, &format!("report parent-ensemble --out {out}/report")).await?.ok();
    assert!(file(folder.path(), "report/report.html")?.contains("Its trials are those of another study"));
    let none = "ensemble parent --members 1 --set data.split=none --set objective.metric=train_loss";
    let ran = command(&cluster, none).await?;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("study parent-ensemble validates on nothing"), "{}", ran.stderr);
    leaves_nothing_when_interrupted(&cluster).await?;
    // The last study is the ensemble now, and who says how many members there shall be means the tuned one.
    let ran = command(&cluster, "ensemble @last --members 1 --from trials -o json").await?.ok();
    assert_eq!((&ran.json()["parent"], &ran.json()["members"]), (&Value::from("parent"), &Value::from(1)));
    Ok(())
}

/// A command that waits for its worker's answer when somebody interrupts deletes its temporary files and says how it ended.
async fn leaves_nothing_when_interrupted(cluster: &Cluster) -> Result<()> {
    let folder = scratch();
    let (temporary, worker) = (folder.path().join("temporary"), folder.path().join("rung-worker"));
    fs::create_dir(&temporary)?;
    fs::write(&worker, "#!/bin/sh\nexec sleep 60\n")?;
    fs::set_permissions(&worker, fs::Permissions::from_mode(0o755))?;
    let left = || fs::read_dir(&temporary).map(Iterator::count);
    let mut command = tokio::process::Command::new(tests::program("rung"));
    command.args(["evaluate", "parent"]).env("RUNG_STATE", cluster.state()).env("RUNG_CONFIG", "/dev/null");
    command.env("TMPDIR", &temporary).env("RUNG_WORKER", &worker).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn()?;
    let begun = async {
        while left().is_ok_and(|left| left == 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun).await?;
    let id = child.id().context("it runs")?;
    kill(Pid::from_raw(id as i32), Signal::SIGINT)?;
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted: what was not done yet is left undone"), "{said}");
    assert_eq!(left()?, 0);
    Ok(())
}

/// Where test samples validated, every row says what it is worth on the others, and how often all were touched.
#[tokio::test]
async fn a_split_of_the_test_part_has_clean_figures() -> Result<()> {
    let cluster = Cluster::with_lease(1, 5).await?;
    cluster.submit(&PARENT.replace("model:", "data: {split: paper}\nmodel:")).await?;
    cluster.table("parent").await?;
    let line = "ensemble parent --members 1 --from trials";
    let table = command(&cluster, line).await?.ok().stdout;
    for text in ["CLEAN_ACCURACY", "on the 9,000 clean samples", "on all, validation samples included"] {
        assert!(table.contains(text), "{table}");
    }
    assert!(table.contains("touched 1 time by this ensemble"), "{table}");
    let found = command(&cluster, "ensemble parent-ensemble -o json").await?.ok().json();
    assert_eq!(found["contaminated"], 1000);
    let row = &found["rows"][0];
    let tested = cluster.study("parent").await?.test.and_then(|test| test.clean).context("a clean part")?;
    let clean = row["clean"]["accuracy"].as_f64().context("a number")?;
    assert!((clean - tested.accuracy).abs() < 4e-4, "{clean} is not {}", tested.accuracy);
    assert_ne!(row["clean"]["accuracy"], row["test"]["accuracy"]);
    let csv = command(&cluster, "ensemble parent-ensemble -o csv").await?.ok().stdout;
    assert!(
        csv.lines()
            .next()
            .is_some_and(|head| head.ends_with("clean_accuracy,clean_loss,clean_scaled,parent_trial"))
    );
    Ok(())
}

#[tokio::test]
async fn what_makes_no_ensemble_is_refused() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    cluster.submit(&PARENT.replace("name: parent", ALL)).await?;
    cluster.submit("{name: formula, model: formula, space: {x: {float: [0, 1]}}}").await?;
    cluster.submit(PARENT).await?;
    for (line, says) in [
        ("ensemble nothing", "no study is called `nothing`"),
        ("ensemble formula", "trains no model"),
        (
            "ensemble all",
            "study all validates on nothing (split: none), so there is nothing to choose a vote by",
        ),
        ("ensemble all", "tune with `data: {split: holdout}`"),
        ("ensemble parent", "`rung study wait parent`"),
        ("ensemble parent --members 0", "--members"),
        ("ensemble parent --vote most", "possible values: soft, hard, greedy"),
        ("export parent --to torchscript --out nowhere --vote soft", "study parent is no ensemble"),
    ] {
        let ran = command(&cluster, line).await?;
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
        assert!(ran.stderr.contains(says), "{line} does not say `{says}`:\n{}", ran.stderr);
    }
    assert_eq!(
        cluster
            .client()
            .await?
            .list_studies(proto::v1::ListStudiesRequest {})
            .await?
            .into_inner()
            .studies
            .len(),
        3
    );
    Ok(())
}
