use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use tests::{Cluster, Row, rung, scratch};

/// Real networks on real data, small enough for a test: 5 + 3 trials of at most 3 epochs.
const STUDY: &str = "
name: training
model: mlp
space:
  layers: {int: [1, 2]}
  units_0: {choice: [16, 32]}
  dropout_0: {choice: [0.0, 0.2]}
  units_1: {choice: [16, 32], when: layers >= 2}
  dropout_1: {choice: [0.0, 0.2], when: layers >= 2}
  lr: {choice: [0.01, 0.001]}
scheduler: {kind: hyperband, max_epochs: 3, eta: 3}
train: {batch_size: 512}
seed: 5
";

async fn undisturbed() -> Result<Vec<Row>> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(STUDY).await?;
    cluster.table("training").await
}

#[tokio::test]
async fn one_worker_three_workers_and_a_killed_one_train_the_same_weights() -> Result<()> {
    let expected = undisturbed().await?;
    assert!(expected.iter().all(|row| row.weights.is_some() && row.value.is_some()));

    let three = Cluster::start(3).await?;
    three.submit(STUDY).await?;
    assert_eq!(three.table("training").await?, expected);

    let mut killed = Cluster::start(2).await?;
    killed.submit(STUDY).await?;
    killed.until("training", 120, |study| study.epochs >= 2 && study.leases == 2).await?;
    killed.kill_worker(0)?;
    assert_eq!(killed.table("training").await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_killed_coordinator_and_a_killed_trainer_change_no_weight() -> Result<()> {
    let expected = undisturbed().await?;
    let mut cluster = Cluster::start(2).await?;
    cluster.submit(STUDY).await?;
    cluster.until("training", 120, |study| study.epochs >= 2 && study.leases > 0).await?;
    cluster.kill_coordinator()?;
    cluster.start_coordinator().await?;
    cluster.until("training", 120, |study| study.leases > 0 || study.finished.is_some()).await?;
    let trainers = cluster.trainers(1)?;
    assert!(!trainers.is_empty(), "the second worker has a trainer");
    for trainer in trainers {
        kill(trainer, Signal::SIGKILL)?;
    }
    assert_eq!(cluster.table("training").await?, expected);
    Ok(())
}

#[test]
fn best_yaml_trains_to_the_same_weights_and_test_accuracy() {
    let folder = scratch();
    let state = folder.path().join("state");
    let study = folder.path().join("study.yaml");
    std::fs::write(&study, STUDY).unwrap();
    let out = folder.path().join("out").display().to_string();
    rung(&state, &["run", &study.display().to_string(), "--local", "2", "--out", &out]).ok();
    let best = rung(&state, &["best", "training", "-o", "json"]).ok().json();
    assert!(best["test"]["accuracy"].as_f64().unwrap() > 0.7, "{best}");
    for file in ["model.safetensors", "model.json"] {
        assert!(std::path::Path::new(&out).join(file).exists(), "{file}");
    }
    rung(&state, &["run", &format!("{out}/best.yaml"), "--local", "1"]).ok();
    let again = rung(&state, &["best", "@last", "-o", "json"]).ok().json();
    assert_eq!(again["weights"], best["weights"]);
    assert_eq!(again["test"], best["test"]);
}

#[test]
fn macro_f1_ranks_trials_where_it_is_the_objective() {
    let folder = scratch();
    let (state, study) = (folder.path().join("state"), folder.path().join("study.yaml"));
    std::fs::write(&study, STUDY).unwrap();
    let objective = "objective={metric: val_macro_f1}";
    rung(&state, &["run", &study.display().to_string(), "--local", "2", "--set", objective]).ok();
    let best = rung(&state, &["best", "@last", "-o", "json"]).ok().json();
    assert_eq!(best["metric"], "val_macro_f1");
    let trial =
        rung(&state, &["trial", "show", "@last", &best["trial"].to_string(), "-o", "json"]).ok().json();
    let mut curve = trial["curve"].as_array().unwrap().iter();
    let found = &curve.find(|point| point["epoch"] == best["epochs"]).unwrap()["metrics"];
    assert_eq!(found["val_macro_f1"], best["value"], "{trial}");
    assert_ne!(found["val_macro_f1"], found["val_accuracy"]);
}
