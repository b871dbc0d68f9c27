use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use common::trial::TrialState;
use tests::{
    Cluster, Sample,
    faults::{files_below, flip},
    rung, scratch,
};

use crate::data::images;

const STUDY: Sample = Sample { name: "blame", seed: 17, epoch_seconds: 0.02 };

/// Looks again and again, for a minute at most.
async fn until(cluster: &Cluster, mut met: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..3_000 {
        if met().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{}", cluster.logs());
}

/// The folder of the one worker that there is.
fn scratch_of_worker(cluster: &Cluster) -> Result<PathBuf> {
    for entry in fs::read_dir(cluster.folder())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("rung-worker-") {
            return Ok(entry.path());
        }
    }
    bail!("no worker has a folder");
}

#[tokio::test]
async fn a_worker_whose_disk_fails_costs_no_trial() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    for mended in [false, true] {
        let mut cluster = Cluster::start(1).await?;
        until(&cluster, async || Ok(!cluster.connected().await?.is_empty())).await?;
        let folder = scratch_of_worker(&cluster)?;
        let away = folder.with_extension("away");
        fs::rename(&folder, &away)?;
        fs::write(&folder, b"no folder")?;
        cluster.submit(&STUDY.yaml()).await?;
        until(&cluster, async || Ok(cluster.logs().contains("this machine fails a lease"))).await?;
        if mended {
            fs::remove_file(&folder)?;
            fs::rename(&away, &folder)?;
        } else {
            cluster.start_worker(&[])?;
        }
        assert_eq!(cluster.table("blame").await?, expected, "mended: {mended}: {}", cluster.logs());
    }
    Ok(())
}

/// A cluster without workers that has images of one's own, and where they lie.
async fn with_images(images: &Path) -> Result<(Cluster, PathBuf)> {
    let cluster = Cluster::start(0).await?;
    let images = images.to_str().context("a path in UTF-8")?;
    rung(&cluster.state(), &["data", "add", "shapes", images, "--format", "folder"]).ok();
    let object = files_below(&cluster.state().join("objects/datasets"))?.pop();
    Ok((cluster, object.context("it is stored")?))
}

#[tokio::test]
async fn data_that_is_damaged_or_gone_makes_trials_wait() -> Result<()> {
    let folder = scratch();
    let images = images(folder.path(), 30);
    let study = STUDY.yaml() + "data: {name: shapes}\n";
    let (mut sound, _) = with_images(&images).await?;
    sound.start_worker(&[])?;
    sound.submit(&study).await?;
    let expected = sound.table("blame").await?;

    for damage in ["flipped", "gone"] {
        let (mut cluster, object) = with_images(&images).await?;
        let away = folder.path().join("away");
        match damage {
            "gone" => fs::rename(&object, &away)?,
            _ => flip(&object, 801)?,
        }
        cluster.start_worker(&[])?;
        cluster.submit(&study).await?;
        // More leases than may fail.
        until(&cluster, async || {
            let trials = cluster.trials("blame").await?;
            Ok(trials.iter().map(|trial| trial.attempts).sum::<u32>() > 3)
        })
        .await?;
        let trials = cluster.trials("blame").await?;
        assert!(trials.iter().all(|trial| trial.state != TrialState::Failed), "{damage}: {trials:?}");

        cluster.kill_coordinator()?;
        cluster.start_coordinator().await?;
        match damage {
            "gone" => fs::rename(&away, &object)?,
            _ => flip(&object, 801)?,
        }
        assert_eq!(cluster.table("blame").await?, expected, "{damage}: {}", cluster.logs());
    }
    Ok(())
}
