use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use common::{ids::TrialNumber, trial::TrialState, view::StudyPhase};
use tests::{Cluster, Ran, Row, rung};

/// A study of 17 trials and 69 epochs of 20 ms.
const STUDY: &str = "
name: stored
model: formula
space:
  width: {int: [1, 64]}
  lr: {float: [0.0001, 0.1], log: true}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
train: {epoch_seconds: 0.02}
seed: 7
";

/// One trial of 40 epochs of 50 ms.
const LONG: &str = "
name: stored
model: formula
scheduler: {kind: fixed, epochs: 40, trials: [{hparams: {width: 3}}]}
train: {epoch_seconds: 0.05}
";

async fn undisturbed(study: &str) -> Result<Vec<Row>> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(study).await?;
    cluster.table("stored").await
}

/// `rung` on a state folder, beside whatever else the test does.
async fn command(state: &Path, args: &[&str]) -> Result<Ran> {
    let (state, args) = (state.to_owned(), args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
    let ran = move || rung(&state, &args.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(tokio::task::spawn_blocking(ran).await?)
}

async fn is_sound(state: &Path) -> Result<()> {
    let ran = command(state, &["fsck", "-o", "json"]).await?;
    ensure!(ran.code == Some(0), "{ran:?}");
    ensure!(ran.json()["violations"].as_array().is_some_and(Vec::is_empty), "{ran:?}");
    Ok(())
}

/// The stored checkpoint files of a trial, the newest last.
fn weights(state: &Path, study: &str, trial: u32) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(state.join("objects").join(study).join(trial.to_string()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some((epoch, _)) = name.split_once("-weights-") {
            found.push((epoch.parse::<u32>()?, name));
        }
    }
    found.sort();
    let folder = state.join("objects").join(study).join(trial.to_string());
    Ok(found.into_iter().map(|(_, name)| folder.join(name)).collect())
}

#[tokio::test]
async fn a_damaged_checkpoint_is_noticed_and_the_one_before_it_counts() -> Result<()> {
    let expected = undisturbed(LONG).await?;
    for damage in ["flipped", "truncated", "gone"] {
        let mut cluster = Cluster::start(1).await?;
        let study = cluster.submit(LONG).await?;
        let deadline = 60;
        cluster
            .until("stored", deadline, |_| {
                weights(&cluster.state(), study.id.as_str(), 0).is_ok_and(|found| found.len() >= 2)
            })
            .await?;
        cluster.kill_worker(0)?;
        cluster.until("stored", deadline, |view| view.leases == 0).await?;
        let trial = cluster.trials("stored").await?.remove(0);
        let durable = trial.checkpoint.context("a checkpoint is durable")?;
        let newest = weights(&cluster.state(), study.id.as_str(), 0)?
            .into_iter()
            .find(|path| path.to_string_lossy().contains(&durable.weights.to_string()))
            .context("it is stored")?;
        let mut bytes = fs::read(&newest)?;
        match damage {
            "flipped" => bytes[0] ^= 1,
            "truncated" => bytes.truncate(bytes.len() / 2),
            _ => bytes.clear(),
        }
        if damage == "gone" {
            fs::remove_file(&newest)?
        } else {
            fs::write(&newest, bytes)?
        }
        let ran = command(&cluster.state(), &["fsck"]).await?;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("stored") && ran.stdout.contains("epoch"), "{ran:?}");
        cluster.start_worker(&[])?;
        assert_eq!(cluster.table("stored").await?, expected, "{damage}: {}", cluster.logs());
        assert!(cluster.logs().contains("checkpoint lost"), "{}", cluster.logs());
        let trial = cluster.trials("stored").await?.remove(0);
        assert_eq!(
            (trial.state, trial.attempts),
            (TrialState::Completed, 4),
            "one lost, one damaged, one to evaluate"
        );
        is_sound(&cluster.state()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_can_no_longer_be_promoted_is_deleted() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let study = cluster.submit(STUDY).await?;
    for epochs in [10, 30] {
        cluster.until("stored", 60, |study| study.epochs >= epochs).await?;
        cluster.kill_coordinator()?;
        cluster.start_coordinator().await?;
        is_sound(&cluster.state()).await?;
    }
    cluster.table("stored").await?;
    let trials = cluster.trials("stored").await?;
    let best = cluster.study("stored").await?.best.context("there is a best trial")?.trial;
    let kept: Vec<_> = trials
        .iter()
        .filter(|trial| trial.state == TrialState::Completed || trial.trial == best)
        .map(|trial| trial.trial)
        .collect();
    let has = |trial: TrialNumber| {
        weights(&cluster.state(), study.id.as_str(), trial.0).map_or(0, |found| found.len())
    };
    for _ in 0..250 {
        if trials.iter().all(|trial| has(trial.trial) == usize::from(kept.contains(&trial.trial))) {
            return is_sound(&cluster.state()).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("kept are {kept:?}, stored {:?}", trials.iter().map(|trial| has(trial.trial)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_backup_made_beside_the_work_finishes_with_the_same_table() -> Result<()> {
    let expected = undisturbed(STUDY).await?;
    let mut cluster = Cluster::start(2).await?;
    cluster.submit(STUDY).await?;
    cluster.until("stored", 60, |study| study.epochs >= 15).await?;
    let backup = cluster.state().with_file_name("backup");
    let name = backup.to_str().context("a path in UTF-8")?;
    let ran = command(&cluster.state(), &["backup", name]).await?.ok();
    assert_eq!(ran.stdout.trim(), name);
    let again = command(&cluster.state(), &["backup", name]).await?;
    assert_eq!((again.code, again.stdout.as_str()), (Some(2), ""), "a backup replaces nothing: {again:?}");
    is_sound(&backup).await?;

    // The machine is lost, workers and all that was done since with it; or so it seems to the coordinator.
    cluster.until("stored", 60, |study| study.epochs >= 30).await?;
    cluster.kill_coordinator()?;
    fs::rename(cluster.state(), cluster.state().with_file_name("lost"))?;
    fs::rename(&backup, cluster.state())?;
    cluster.start_coordinator().await?;
    assert_eq!(cluster.table("stored").await?, expected);
    is_sound(&cluster.state()).await
}

#[tokio::test]
async fn a_coordinator_whose_lock_was_lost_cannot_commit() -> Result<()> {
    let expected = undisturbed(STUDY).await?;
    let mut cluster = Cluster::start(1).await?;
    cluster.submit(STUDY).await?;
    cluster.until("stored", 60, |study| study.epochs >= 5).await?;
    let mut old = cluster.let_go()?;
    // As a restored folder or a careless script does: the lock's file is another one now.
    fs::remove_file(cluster.state().join("lock"))?;
    let address = cluster.address().to_owned();
    cluster.start_anywhere().await?;
    let status = tokio::task::spawn_blocking(move || old.wait()).await??;
    assert_eq!(status.code(), Some(1), "the old one has ended: {}", cluster.logs());
    assert!(cluster.logs().contains("another coordinator has taken it over"), "{}", cluster.logs());
    assert_ne!(cluster.address(), address);
    cluster.start_worker(&[])?;
    assert_eq!(cluster.table("stored").await?, expected);
    is_sound(&cluster.state()).await
}

#[tokio::test]
async fn uploads_wait_while_the_quota_is_used_up() -> Result<()> {
    let expected = undisturbed(STUDY).await?;
    let mut cluster = Cluster::start(0).await?;
    cluster.kill_coordinator()?;
    cluster.serve_with(&["--quota", "1kB"]);
    cluster.start_coordinator().await?;
    cluster.start_worker(&[])?;
    cluster.submit(STUDY).await?;
    let refused = || cluster.logs().contains("the quota is used up");
    cluster.until("stored", 60, |study| study.leases > 0 && refused()).await?;
    let ran = command(&cluster.state(), &["fsck", "--quota", "1kB"]).await?;
    assert_eq!(ran.code, Some(0), "never more than the quota: {ran:?}");
    let waiting = cluster.study("stored").await?;
    assert!(waiting.phase == StudyPhase::Running && waiting.leases >= 1, "leases wait: {waiting:?}");
    cluster.kill_coordinator()?;
    cluster.serve_with(&[]);
    cluster.start_coordinator().await?;
    assert_eq!(cluster.table("stored").await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_full_disk_stops_nothing_for_good() -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if fs::metadata("/proc/self")?.uid() != 0 {
        assert!(std::env::var("CI").is_err(), "a small disk can be made by root alone");
        eprintln!("SKIPPED: a small disk can be made by root alone");
        return Ok(());
    }
    let expected = undisturbed(STUDY).await?;
    let cluster = Cluster::on_small_disk(2, 2, "16m").await?;
    while cluster.connected().await?.len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    cluster.submit(STUDY).await?;
    for epochs in [5, 20, 40] {
        cluster.until("stored", 60, |study| study.epochs >= epochs).await?;
        let before = cluster.connected().await?;
        let filler = cluster.disk()?.join("filler");
        // Until nothing more goes in.
        assert!(fs::write(&filler, vec![1; 16 << 20]).is_err());
        // Three terms of a lease.
        for _ in 0..60 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            assert_eq!(cluster.connected().await?.len(), before.len(), "{}", cluster.logs());
        }
        assert!(cluster.logs().contains("takes no commits"), "{}", cluster.logs());
        fs::remove_file(filler)?;
    }
    assert_eq!(cluster.table("stored").await?, expected);
    let attempts: u32 = cluster.trials("stored").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, 23, "22 leases to train, one to evaluate: {}", cluster.logs());
    // SQLite does not look for its files through another process's mounts.
    let copy = tests::scratch();
    let from = cluster.disk()?.join(".");
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(copy.path()).status()?;
    assert!(copied.success());
    is_sound(copy.path()).await
}
