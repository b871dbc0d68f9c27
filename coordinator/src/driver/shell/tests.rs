mod collect;

mod degraded;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use common::{
    checkpoint::{Checkpoint, Digest},
    metrics::{CurvePoint, Metrics},
    study::{DataFacts, StudySpec},
    time::Timestamp,
    view::{DataView, DeviceFacts, StudyPhase},
};
use scheduler::Event;

use super::{
    super::{Grant, Happened, OnConflict},
    *,
};
use crate::store::{SqliteStore, StoredData, StoredStudy};

/// A store whose disk is full while a switch is on.
struct Full {
    store: SqliteStore,
    full: Arc<AtomicBool>,
    /// Whether it stays so when it is opened anew.
    lasting: Arc<AtomicBool>,
}

impl Store for Full {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Unreadable {
                what: "the disk".to_owned(),
                reason: "it is full".to_owned(),
            });
        }
        self.store.commit(commit)
    }

    fn load(&mut self) -> Result<Vec<StoredStudy>, StoreError> {
        self.store.load()
    }

    fn log(&mut self, study: &StudyId) -> Result<Vec<Event>, StoreError> {
        self.store.log(study)
    }

    fn data(&mut self) -> Result<StoredData, StoreError> {
        self.store.data()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        match self.lasting.load(Ordering::SeqCst) {
            true => self.commit(&Commit::default()),
            false => self.store.reopen(),
        }
    }
}

/// A driver on a store that can be full; ends with its folder.
struct Bench {
    _state: tempfile::TempDir,
    full: Arc<AtomicBool>,
    lasting: Arc<AtomicBool>,
    driver: Driver,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<Result<(), StoreError>>,
}

impl Bench {
    fn start() -> Self {
        Self::with_lease(Duration::from_secs(30))
    }

    /// Fills the disk for good, or frees it.
    fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
        self.lasting.store(full, Ordering::SeqCst);
    }

    #[allow(clippy::disallowed_methods, reason = "a test's task ends with the test")]
    fn with_lease(lease: Duration) -> Self {
        let state = tempfile::tempdir().unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let lasting = Arc::new(AtomicBool::new(false));
        let store = SqliteStore::open(state.path()).unwrap();
        let store = Full { store, full: Arc::clone(&full), lasting: Arc::clone(&lasting) };
        let blobs = Arc::new(Blobs::open(state.path()).unwrap());
        let clock = Clock::system();
        let machine = Machine::recover(Vec::new(), lease, clock.now()).unwrap();
        let stop = CancellationToken::new();
        let (driver, running) = run(machine, Box::new(store), blobs, clock, stop.clone());
        Self { _state: state, full, lasting, driver, stop, ended: tokio::spawn(running) }
    }

    async fn submit(&self) -> Result<Answer, Refused> {
        let spec =
            "name: s\nmodel: formula\nscheduler: {kind: fixed, epochs: 2, trials: [{hparams: {width: 1}}]}";
        let submit = Request::Submit {
            id: "0a1b2c3d".parse().unwrap(),
            spec: Box::new(StudySpec::from_yaml(spec).unwrap()),
            on_conflict: OnConflict::Refuse,
        };
        self.driver.ask(submit).await
    }

    /// A worker that has been granted the study's only trial.
    async fn leased(&self) -> (SessionHandle, mpsc::Receiver<Told>, Grant) {
        let hello = Hello {
            worker: "w".parse().unwrap(),
            incarnation: 1,
            held: BTreeSet::new(),
            device: DeviceFacts::default(),
            slots: 1,
            version: String::new(),
            data: BTreeSet::new(),
        };
        let (session, mut down) = self.driver.open(hello).await.unwrap();
        session.credits(1, 0).await;
        loop {
            if let Some(Ok(ToWorker::Grants(mut grants))) = down.recv().await {
                return (session, down, grants.remove(0));
            }
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

fn finished(grant: &Grant) -> Vec<Report> {
    let digest = Digest::of(b"");
    let metrics =
        Metrics { train_loss: 1.0, train_accuracy: 0.5, val_loss: 1.0, val_accuracy: 0.5, val_macro_f1: 0.5 };
    let what = Happened::Finished {
        last: CurvePoint { epoch: 2, metrics, learning_rate: 1e-3, seconds: 0.1 },
        best: metrics,
        checkpoint: Checkpoint { epoch: 2, weights: digest, state: digest },
        early_stopped: false,
        restored: None,
    };
    vec![Report { lease: grant.lease.clone(), what }]
}

#[tokio::test]
async fn a_request_whose_commit_fails_is_refused_and_changes_nothing() {
    let bench = Bench::start();
    bench.full.store(true, Ordering::SeqCst);
    assert!(matches!(bench.submit().await, Err(Refused::Store(reason)) if reason.contains("full")));
    bench.full.store(false, Ordering::SeqCst);
    let Ok(Answer::Submitted { study, resumed: false }) = bench.submit().await else {
        panic!("the name is still free")
    };
    assert_eq!(study.name.as_str(), "s");
    bench.stop().await;
}

#[tokio::test]
async fn a_worker_whose_report_was_not_stored_is_cut_off_and_says_it_again() {
    let bench = Bench::start();
    bench.submit().await.unwrap();
    let (session, mut down, grant) = bench.leased().await;
    bench.full.store(true, Ordering::SeqCst);
    session.reports(1, finished(&grant)).await;
    assert_eq!(down.recv().await, None, "no acknowledgement, and the stream ends");

    bench.full.store(false, Ordering::SeqCst);
    let mut updates = bench.driver.updates();
    let hello = Hello {
        worker: "w".parse().unwrap(),
        incarnation: 1,
        held: BTreeSet::from([grant.lease.clone()]),
        device: DeviceFacts::default(),
        slots: 1,
        version: String::new(),
        data: BTreeSet::new(),
    };
    let (session, mut down) = bench.driver.open(hello).await.unwrap();
    let Some(Ok(ToWorker::Welcome { still_yours, .. })) = down.recv().await else {
        panic!("Hello is answered")
    };
    assert_eq!(still_yours, std::slice::from_ref(&grant.lease));
    session.reports(1, finished(&grant)).await;
    assert_eq!(down.recv().await, Some(Ok(ToWorker::Ack(1))));
    assert_eq!(updates.recv().await.unwrap().phase, StudyPhase::Evaluating);
    bench.stop().await;
}

#[tokio::test]
async fn a_worker_that_reads_nothing_is_cut_off() {
    let bench = Bench::start();
    bench.submit().await.unwrap();
    let (session, mut down, _) = bench.leased().await;
    for sequence in 1..=2 * UNREAD as u64 {
        session.reports(sequence, Vec::new()).await;
    }
    // Whoever asks after them is answered after them.
    bench.driver.ask(Request::Workers).await.unwrap();
    let mut unread = 0;
    while let Some(message) = down.recv().await {
        assert!(matches!(message, Ok(ToWorker::Ack(_))), "{message:?}");
        unread += 1;
    }
    assert_eq!(unread, UNREAD);
    bench.stop().await;
}

#[tokio::test]
async fn a_data_set_whose_commit_fails_has_no_name() {
    let bench = Bench::start();
    let set = DataView {
        name: "mine".parse().unwrap(),
        facts: DataFacts { digest: Digest::of(b"mine"), ..DataFacts::known("fashion-mnist").unwrap() },
        size: 4,
        created: Timestamp(0),
    };
    let add = || bench.driver.ask(Request::AddData(set.clone()));
    bench.full.store(true, Ordering::SeqCst);
    assert!(matches!(add().await, Err(Refused::Store(_))));
    bench.full.store(false, Ordering::SeqCst);
    let remove = || bench.driver.ask(Request::RemoveData(set.name.clone()));
    assert!(matches!(remove().await, Err(Refused::Data(_))), "it is not there");
    let check = |set: &DataView| bench.driver.ask(Request::CheckData(set.clone()));
    assert_eq!(check(&set).await, Ok(Answer::Holds(false)));
    assert!(matches!(add().await, Ok(Answer::Data(stored)) if stored.created > Timestamp(0)));
    assert_eq!(check(&set).await, Ok(Answer::Holds(true)));
    let facts = DataFacts { digest: Digest::of(b"other"), ..set.facts.clone() };
    assert_eq!(
        check(&DataView { facts, ..set.clone() }).await,
        Err(Refused::DataTaken(set.name.clone())),
        "so that nothing of it is stored"
    );
    bench.full.store(true, Ordering::SeqCst);
    assert!(matches!(remove().await, Err(Refused::Store(_))));
    bench.full.store(false, Ordering::SeqCst);
    assert_eq!(remove().await, Ok(Answer::DataRemoved(Some(set.facts.digest))), "it was still there");
    bench.stop().await;
}
