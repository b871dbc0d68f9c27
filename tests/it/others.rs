#![allow(non_snake_case, reason = "two underscores set the reference off")]
//! What has gone wrong in other tuners, each a test of its own that names where.
//!
//! Some are held exactly by tests elsewhere:
//!
//! * keras-tuner#990, ray#14320, workers that hang, or keep their device, when the driver is gone: `worker/tests/it`,
//!   `links::a_long_silence_hands_the_lease_back_with_what_was_trained`, `ends::a_worker_whose_coordinator_stays_away_gives_up`
//!   and `ends::no_trainer_outlives_a_killed_worker`.
//! * optuna#3215, #4234 and #5470, zombies and late results: `kills::a_worker_stopped_past_its_lease_is_refused_what_it_says_late`.
//! * ray#23674, #23688 and #17940, a full disk ends a long run: `disk::a_disk_that_is_full_again_and_again_changes_nothing`.
//! * ray#6780, deadlock for some (R, η): `coordinator/scheduler/tests/it`, `termination::every_schedule_is_played_to_its_end`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use common::{ids::TrialNumber, trial::TrialState, view::StudyPhase};
use coordinator::store::{SqliteStore, Store as _};
use nix::sys::signal::Signal;
use scheduler::{Event, Work};
use tests::{Cluster, Sample, rung};

const STUDY: Sample = Sample { name: "others", seed: 13, epoch_seconds: 0.03 };

/// keras-tuner#915 and #645: the chief waits for ever for a worker that died, or that says nothing any more.
#[tokio::test]
async fn a_worker_that_falls_silent_hangs_nobody__keras_tuner_915() -> Result<()> {
    let mut cluster = Cluster::with_lease(3, 2).await?;
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("others", 30, |study| study.leases == 3).await?;
    cluster.kill_worker(0)?;
    cluster.signal_worker(1, Signal::SIGSTOP)?;
    assert_eq!(cluster.table("others").await?, STUDY.undisturbed().await?);
    Ok(())
}

/// keras-tuner#256: with two workers, brackets never ended.
#[tokio::test]
async fn two_workers_spend_the_plan_and_no_epoch_more__keras_tuner_256() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    cluster.submit(&STUDY.yaml()).await?;
    cluster.table("others").await?;
    let study = cluster.study("others").await?;
    assert_eq!((study.epochs, study.phase), (study.planned_epochs, StudyPhase::Finished));
    Ok(())
}

/// keras-tuner#372 and #439: promotions did not load weights, and a killed trial began again with epoch 1.
#[tokio::test]
async fn every_lease_goes_on_from_the_trials_newest_checkpoint__keras_tuner_372() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let study = cluster.submit(&STUDY.yaml()).await?;
    for epochs in [20, 40] {
        cluster.until("others", 60, |study| study.epochs >= epochs).await?;
        cluster.kill_worker(if epochs == 20 { 0 } else { 1 })?;
        cluster.start_worker(&[])?;
    }
    cluster.table("others").await?;
    cluster.kill_coordinator()?;
    let mut newest = BTreeMap::new();
    let mut resumed = 0;
    for event in SqliteStore::open(&cluster.state())?.log(&study.id)? {
        match event {
            Event::Checkpointed { trial, checkpoint, .. }
            | Event::RungFinished { trial, checkpoint, .. }
            | Event::Released { trial, checkpoint: Some(checkpoint), .. } => {
                newest.insert(trial, checkpoint);
            }
            Event::Granted { trial, work: Work::Train { from_epoch, resume, .. }, .. } => {
                assert_eq!(resume, newest.get(&trial).copied(), "trial {trial}");
                assert_eq!(from_epoch, resume.map_or(0, |checkpoint| checkpoint.epoch), "trial {trial}");
                resumed += u32::from(resume.is_some());
            }
            _ => {}
        }
    }
    assert!(resumed >= 5, "promotions go on from checkpoints: {resumed}");
    Ok(())
}

/// keras-tuner#835 and #976: what was handed out was not in the state that a restart finds.
#[tokio::test]
async fn an_acknowledged_study_and_its_leases_are_there_after_a_kill__keras_tuner_835() -> Result<()> {
    let mut cluster = Cluster::start(0).await?;
    let study = cluster.submit(&STUDY.yaml()).await?;
    cluster.kill_coordinator()?;
    cluster.start_coordinator().await?;
    assert_eq!(cluster.study("others").await?.id, study.id);
    cluster.start_worker(&[])?;
    cluster.until("others", 30, |study| study.leases == 1).await?;
    cluster.kill_coordinator()?;
    cluster.start_coordinator().await?;
    let leased: u32 = cluster.trials("others").await?.iter().map(|trial| trial.attempts).sum();
    assert!(leased >= 1, "a lease that was given is in the log");
    assert_eq!(cluster.table("others").await?, STUDY.undisturbed().await?);
    Ok(())
}

/// ray#30838 and warprec#126: a restored run had lost what its scheduler knew of rungs.
#[tokio::test]
async fn rungs_are_the_same_after_a_restart__ray_30838() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    cluster.submit(&STUDY.yaml()).await?;
    cluster.until("others", 60, |study| study.count(TrialState::Paused) >= 3).await?;
    cluster.kill_worker(0)?;
    cluster.until("others", 30, |study| study.leases == 0).await?;
    let before = (cluster.study("others").await?, cluster.trials("others").await?);
    cluster.kill_coordinator()?;
    cluster.start_coordinator().await?;
    assert_eq!((cluster.study("others").await?, cluster.trials("others").await?), before);
    cluster.start_worker(&[])?;
    assert_eq!(cluster.table("others").await?, STUDY.undisturbed().await?);
    Ok(())
}

/// ray#64231 and #12208: the driver's memory grew with every trial, and so did the time of a snapshot.
#[tokio::test]
async fn memory_does_not_grow_with_trials__ray_64231() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let mut held = Vec::new();
    for round in 0..4 {
        let trials: String =
            (0..60).map(|width| format!("    - {{hparams: {{width: {width}}}}}\n")).collect();
        let name = format!("name: many-{round}\nmodel: formula\n");
        cluster.submit(&format!("{name}scheduler:\n  kind: fixed\n  epochs: 1\n  trials:\n{trials}")).await?;
        cluster.table(&format!("many-{round}")).await?;
        held.push(cluster.memory()?);
    }
    // A study's trials take some KiB each while it runs; all of it comes back.
    assert!(held[3] < held[0] + (12 << 10), "KiB after each of four studies: {held:?}");
    cluster.kill_coordinator()?;
    Ok(())
}

/// optuna#820 and #4994: readers met a locked database, and the dashboard ended the study.
#[tokio::test]
async fn readers_neither_wait_nor_are_waited_for__optuna_820() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    cluster.submit(&STUDY.yaml()).await?;
    let state = cluster.state();
    let reads = tokio::task::spawn_blocking(move || read_often(&state));
    let table = cluster.table("others").await?;
    reads.await??;
    assert_eq!(table, STUDY.undisturbed().await?);
    Ok(())
}

fn read_often(state: &Path) -> Result<()> {
    for _ in 0..12 {
        for read in [
            &["study", "list", "-o", "json"][..],
            &["trial", "list", "others", "-o", "csv"],
            &["best", "others"],
        ] {
            let ran = rung(state, read);
            let said = &ran.stderr;
            anyhow::ensure!(!said.contains("locked"), "{ran:?}");
            // Before the first result there is no best trial.
            anyhow::ensure!(ran.code == Some(0) || read[0] == "best", "{ran:?}");
        }
    }
    Ok(())
}

/// katib#1366, #557 and #1830: a study stopped after its first bracket, or never, because trials were counted and not
/// known by name.
#[tokio::test]
async fn every_bracket_ends_with_each_of_its_trials_by_name__katib_1366() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    cluster.submit(&STUDY.yaml()).await?;
    let table = cluster.table("others").await?;
    // R = 9, η = 3: 9, 5 and 3 trials; of each bracket, those that reached each rung.
    let reached =
        |bracket, rung| table.iter().filter(|row| row.bracket == bracket && row.rung >= rung).count();
    assert_eq!([reached(0, 0), reached(0, 1), reached(0, 2)], [9, 3, 1]);
    assert_eq!([reached(1, 0), reached(1, 1)], [5, 1]);
    assert_eq!(reached(2, 0), 3);
    let numbers: Vec<_> = table.iter().map(|row| row.trial).collect();
    assert_eq!(numbers, (0..17).map(TrialNumber).collect::<Vec<_>>());
    assert!(table.iter().all(|row| row.state.is_final()), "{table:?}");
    Ok(())
}
