//! Bits that turn over in what is stored.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tests::{
    faults::{files_below, flip},
    rung,
};

use crate::{dice::Dice, rig::Rig};

/// Flips in copies of the state folder, each looked at by `rung fsck`.
const COPIES: u32 = 12;

/// Turns bits over: in copies of the state folder, where `rung fsck` must notice all that changes anything, and in a
/// checkpoint that a trial is to go on from.
pub(crate) async fn strike(rig: &mut Rig, dice: &mut Dice) -> Result<u32> {
    rig.cluster.kill_coordinator()?;
    rig.watch.interrupted();
    let folder = rig.cluster.folder().to_owned();
    let (whole, copy) = (folder.join("whole"), folder.join("copy"));
    copied(&rig.cluster.state(), &whole)?;
    rig.cluster.start_coordinator().await?;
    // Reading tidies the write-ahead log away: SQLite takes one that is damaged for one that ends there.
    let (_, sound) = told(&whole)?;
    for _ in 0..COPIES {
        copied(&whole, &copy)?;
        let (file, bit) = anywhere(&copy, dice)?;
        flip(&file, bit)?;
        let (noticed, tells) = told(&copy)?;
        if !noticed && tells != sound {
            let name = file.strip_prefix(&copy)?.display();
            rig.watch.violations.push(format!("bit {bit} of {name} turned over, and nobody noticed"));
        }
    }
    fs::remove_dir_all(&copy)?;
    fs::remove_dir_all(&whole)?;
    Ok(COPIES + damage_checkpoints(rig, dice).await?)
}

/// Damages some checkpoints of the running studies, then has them fetched by new workers.
async fn damage_checkpoints(rig: &mut Rig, dice: &mut Dice) -> Result<u32> {
    const TIMES: usize = 3;
    let objects = files_below(&rig.cluster.state().join("objects"))?;
    let checkpoints: Vec<_> = objects.iter().filter(|path| is_checkpoint(path)).collect();
    let mut hit = Vec::new();
    while !checkpoints.is_empty() && hit.len() < TIMES {
        let file = dice.pick(&checkpoints);
        // One that was collected meanwhile is asked for by nobody.
        let bytes = fs::read(file).unwrap_or_default();
        if !bytes.is_empty() {
            flip(file, dice.below(8 * bytes.len() as u64))?;
        }
        hit.push((file, bytes));
    }
    rig.renew_workers().await?;
    rig.look(Duration::from_millis(1500)).await;
    for (file, bytes) in hit.iter().rev() {
        // What nobody has asked for, and so nobody has replaced, is damaged still.
        if fs::read(file).is_ok_and(|found| found != *bytes) {
            fs::write(file, bytes)?;
        }
    }
    Ok(hit.len() as u32)
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "safetensors")
        && path.components().all(|part| part.as_os_str() != "datasets" && part.as_os_str() != "models")
}

/// A bit of any file of a state folder, each bit as likely as any other.
fn anywhere(state: &Path, dice: &mut Dice) -> Result<(PathBuf, u64)> {
    let mut files = Vec::new();
    for path in files_below(state)? {
        // The log is empty, and its index is made again.
        let name = path.to_string_lossy();
        if !name.ends_with("-shm") && !name.ends_with("-wal") {
            files.push((fs::metadata(&path)?.len() * 8, path));
        }
    }
    let mut bit = dice.below(files.iter().map(|(bits, _)| bits).sum());
    for (bits, path) in files {
        if bit < bits {
            return Ok((path, bit));
        }
        bit -= bits;
    }
    anyhow::bail!("{} has no file with a bit", state.display())
}

/// Whether something is noticed about a state folder, and all that it tells.
fn told(state: &Path) -> Result<(bool, String)> {
    let fsck = rung(state, &["fsck"]);
    let studies = rung(state, &["study", "list", "-o", "json"]);
    let mut text = studies.stdout.clone();
    let names = serde_json::from_str::<serde_json::Value>(&studies.stdout).unwrap_or_default();
    for name in names.as_array().into_iter().flatten().filter_map(|study| study["name"].as_str()) {
        text += &rung(state, &["trial", "list", name, "-o", "json"]).stdout;
    }
    Ok((fsck.code != Some(0), text))
}

fn copied(state: &Path, copy: &Path) -> Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    for file in files_below(state)? {
        let to = copy.join(file.strip_prefix(state)?);
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::copy(&file, to)?;
    }
    Ok(())
}
