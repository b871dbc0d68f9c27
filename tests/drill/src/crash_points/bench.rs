//! A coordinator that is started again whenever it dies, its worker, and somebody who wants a study.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use common::{
    ids::StudyId,
    study::StudySpec,
    view::{StudyPhase, StudyView},
};
use coordinator::{
    blobs::Blobs,
    clock::Clock,
    driver::{self, Answer, Driver, Machine, OnConflict, Refused, Request},
    store::{Reader, SqliteStore, Store as _},
};
use object_store::local::LocalFileSystem;
use scheduler::{Study, audit::audit};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{
    Mode,
    faulty::{Boundary, FaultyObjects, FaultyStore, Plan},
    worker::Worker,
};
use crate::reference::{Columns, table, table_of};

/// How often the coordinator may have to be started: one boundary goes wrong.
const LIVES: usize = 4;

/// The study: five trials in two brackets, up to three epochs each.
const STUDY: &str = "name: s\nmodel: formula\nseed: 3\nspace: {width: {int: [1, 999]}}\n\
                     scheduler: {kind: hyperband, max_epochs: 3, eta: 3}";

/// One run, in a folder of its own.
pub(super) struct Bench {
    state: tempfile::TempDir,
    plan: Arc<Plan>,
    spec: StudySpec,
}

/// What somebody wants, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Submitted,
    Finished,
    Deleted,
    Nothing,
}

impl Bench {
    pub(super) fn new(mode: Mode, boundary: u64) -> Self {
        let spec = StudySpec::from_yaml(STUDY).unwrap();
        Self { state: tempfile::tempdir().unwrap(), plan: Arc::new(Plan::new(mode, boundary)), spec }
    }

    /// The boundary that went wrong, if the run came to it.
    pub(super) fn crossed(&self) -> Option<Boundary> {
        self.plan.crossed()
    }

    /// A study from its submission to its deletion, whatever goes wrong.
    pub(super) async fn run(&self) -> Result<()> {
        let (mut worker, mut want) = (Worker::new()?, Want::Submitted);
        for _ in 0..LIVES {
            self.life(&mut worker, &mut want).await?;
            if want == Want::Nothing {
                let left = SqliteStore::open(self.state.path())?.load()?;
                ensure!(left.is_empty(), "a deleted study is still there");
                return Ok(());
            }
        }
        bail!("the coordinator dies again and again")
    }

    /// The coordinator from its start to its end; it ends when it dies, or nothing more is wanted.
    #[allow(clippy::disallowed_methods, reason = "the task is waited for")]
    async fn life(&self, worker: &mut Worker, want: &mut Want) -> Result<()> {
        let mut store = SqliteStore::open(self.state.path())?;
        let clock = Clock::system();
        let machine = Machine::recover(store.load()?, Duration::from_secs(60), clock.now())?;
        let store = FaultyStore { store, plan: Arc::clone(&self.plan) };
        let blobs = Arc::new(self.blobs()?);
        let stop = CancellationToken::new();
        let (driver, running) =
            driver::run(machine, Box::new(store), Arc::clone(&blobs), clock, stop.clone());
        let running = tokio::spawn(running);
        let served = self.serve(&driver, &blobs, (worker, want)).await;
        stop.cancel();
        drop(driver);
        // It may have panicked, as it was asked to.
        let _ = running.await;
        served
    }

    fn blobs(&self) -> Result<Blobs> {
        let folder = self.state.path().join("objects");
        std::fs::create_dir_all(&folder)?;
        let store = Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true));
        Ok(Blobs::over(self.state.path(), Arc::new(FaultyObjects { store, plan: Arc::clone(&self.plan) })))
    }

    async fn serve(
        &self,
        driver: &Driver,
        blobs: &Arc<Blobs>,
        (worker, want): (&mut Worker, &mut Want),
    ) -> Result<()> {
        loop {
            // Before anything is read: an end that comes later is heard of.
            let updates = driver.updates();
            let stored = self.stored()?;
            match *want {
                Want::Submitted => match self.submit(driver).await {
                    Ok(_) => *want = Want::Finished,
                    Err(Refused::Stopping) => return Ok(()),
                    Err(_) => {}
                },
                Want::Finished => match stored.context("a study that was submitted is gone")? {
                    (id, StudyPhase::Finished) => {
                        self.compare(&id)?;
                        *want = Want::Deleted;
                    }
                    _ => {
                        tokio::select! {
                            served = worker.serve(driver, blobs) => served?,
                            () = finished(updates) => {}
                        }
                        if driver.ask(Request::Workers).await.is_err() {
                            return Ok(());
                        }
                    }
                },
                Want::Deleted => match stored {
                    None => *want = Want::Nothing,
                    Some((id, _)) => {
                        if driver.ask(Request::Delete(id)).await == Err(Refused::Stopping) {
                            return Ok(());
                        }
                    }
                },
                Want::Nothing => return Ok(()),
            }
        }
    }

    async fn submit(&self, driver: &Driver) -> Result<Answer, Refused> {
        // Each submission has another id, as it has in the real coordinator.
        static SUBMISSIONS: AtomicU32 = AtomicU32::new(1);
        let id = format!("{:08x}", SUBMISSIONS.fetch_add(1, Ordering::Relaxed)).parse().unwrap();
        let spec = Box::new(self.spec.clone());
        driver.ask(Request::Submit { id, spec, on_conflict: OnConflict::Refuse }).await
    }

    /// The stored study, of which there is never more than one.
    fn stored(&self) -> Result<Option<(StudyId, StudyPhase)>> {
        // By a reader: another writer would be the next generation, and end this one.
        let mut studies = Reader::open(self.state.path())?.studies()?;
        ensure!(studies.len() <= 1, "a study was submitted twice");
        Ok(studies.pop().map(|study| (study.id, study.phase)))
    }

    fn compare(&self, id: &StudyId) -> Result<()> {
        let log = Reader::open(self.state.path())?.log(id)?;
        let flaws = audit(&log);
        ensure!(flaws.is_empty(), "{flaws:#?}");
        let columns = Columns::All;
        let (expected, found) = (table_of(&self.spec, columns)?, table(&Study::replay(&log)?, columns));
        ensure!(expected == found, "another result: {found:#?} and not {expected:#?}");
        Ok(())
    }
}

/// Returns when a study has finished, or the driver has.
async fn finished(mut updates: broadcast::Receiver<StudyView>) {
    while let Ok(view) = updates.recv().await {
        if view.phase == StudyPhase::Finished {
            return;
        }
    }
}
