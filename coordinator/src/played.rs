//! For tests: a cluster on disk with one worker that trains by a formula, driven by hand.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use bytes::Bytes;
use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::{Evaluation, Scored},
    ids::StudyId,
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::StudySpec,
    time::Timestamp,
    view::{DeviceFacts, LeaseId},
};
use scheduler::{Event, Work};

use crate::{
    blobs::{Blobs, ObjectKey, ObjectKind},
    driver::{
        Effect, Grant, Happened, Hello, Input, Machine, OnConflict, Report, Request, RequestId, SessionId,
        ToWorker,
    },
    store::{SqliteStore, Store as _},
};

/// The study that is played: 9 + 5 + 3 trials.
pub(crate) const STUDY: &str = "name: played\nmodel: formula\nspace: {width: {int: [1, 999]}}\n\
                                scheduler: {kind: hyperband, max_epochs: 9, eta: 3}";

/// A coordinator without its shell, its state folder and its worker.
pub(crate) struct Played {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: SqliteStore,
    pub(crate) blobs: Blobs,
    pub(crate) machine: Machine,
    pub(crate) id: StudyId,
    pub(crate) log: Vec<Event>,
    pub(crate) grants: Vec<Grant>,
    session: SessionId,
    granted: u64,
    now: Timestamp,
}

impl Played {
    /// A cluster whose worker has its first lease.
    pub(crate) async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let machine = Machine::recover(Vec::new(), Duration::from_secs(30), Timestamp(0)).unwrap();
        let id: StudyId = "0a1b2c3d".parse().unwrap();
        let mut played = Self {
            folder,
            store,
            blobs,
            machine,
            id: id.clone(),
            log: Vec::new(),
            grants: Vec::new(),
            session: SessionId(1),
            granted: 0,
            now: Timestamp(1_000),
        };
        let spec = Box::new(StudySpec::from_yaml(STUDY).unwrap());
        let request = Request::Submit { id, spec, on_conflict: OnConflict::Refuse };
        played.handle(vec![Input::Asked { id: RequestId(0), request }]);
        played.connect(1);
        played
    }

    /// A cluster whose study has so many events, or has finished before.
    pub(crate) async fn with_events(events: usize) -> Self {
        let mut played = Self::begin().await;
        while played.log.len() < events && !played.is_finished() {
            played.act().await;
        }
        played
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.log.last(), Some(Event::Finished { .. }))
    }

    /// A worker's process opens a stream, holding nothing.
    pub(crate) fn connect(&mut self, incarnation: u64) {
        self.session = SessionId(self.session.0 + 1);
        (self.granted, self.grants) = (0, Vec::new());
        let hello = Hello {
            worker: "w".parse().unwrap(),
            incarnation,
            held: BTreeSet::new(),
            device: DeviceFacts::default(),
            slots: 1,
            version: String::new(),
            data: BTreeSet::new(),
        };
        let session = self.session;
        self.handle(vec![
            Input::Disconnected { session: SessionId(session.0 - 1) },
            Input::Connected { session, hello },
            Input::Credits { session, free: 1, granted: 0 },
        ]);
    }

    /// Handles and commits; keeps what the worker is given.
    pub(crate) fn handle(&mut self, inputs: Vec<Input>) {
        self.now = self.now + Duration::from_millis(100);
        let group = self.machine.handle(self.now, inputs);
        self.store.commit(&group.commit).unwrap();
        self.log.extend(group.commit.events.into_iter().map(|(.., event)| event));
        for effect in group.effects {
            match effect {
                Effect::Send(_, ToWorker::Grants(grants)) => {
                    self.granted += grants.len() as u64;
                    self.grants.extend(grants);
                }
                Effect::Send(_, ToWorker::Revoke(leases)) => {
                    self.grants.retain(|grant| !leases.contains(&grant.lease));
                }
                _ => {}
            }
        }
    }

    /// The worker finishes its lease: stores what came of it and tells.
    pub(crate) async fn act(&mut self) {
        let grant = self.grants.remove(0);
        let mut reports = Vec::new();
        match &grant.work {
            Work::Train { from_epoch, to_epoch, .. } => {
                let curve = (from_epoch + 1..*to_epoch).map(|epoch| Happened::Epoch(point(&grant, epoch)));
                reports.extend(curve);
                let checkpoint = self.put_checkpoint(&grant, *to_epoch).await;
                reports.push(Happened::Finished {
                    last: point(&grant, *to_epoch),
                    best: point(&grant, *to_epoch).metrics,
                    checkpoint,
                    early_stopped: false,
                    restored: None,
                });
            }
            Work::Evaluate { checkpoint } => {
                let key = |kind, digest| ObjectKey {
                    study: grant.lease.study.clone(),
                    trial: grant.lease.trial,
                    epoch: checkpoint.epoch,
                    kind,
                    digest,
                };
                let bytes = Bytes::from_static(b"probabilities");
                let digest = Digest::of(&bytes);
                self.blobs.put(&key(ObjectKind::Probabilities, digest), bytes).await.unwrap();
                let metrics = TestMetrics { accuracy: 0.5, loss: 1.0, clean: None };
                let test = Scored { metrics, probabilities: Some(digest) };
                reports.push(Happened::Evaluated(Evaluation {
                    epoch: checkpoint.epoch,
                    test,
                    validation: None,
                }));
            }
        }
        self.report(&grant.lease, reports);
    }

    /// The worker stores a checkpoint of its lease and tells.
    pub(crate) async fn checkpoint(&mut self, epoch: u32) -> Checkpoint {
        let grant = self.grants[0].clone();
        let checkpoint = self.put_checkpoint(&grant, epoch).await;
        self.report(&grant.lease, vec![Happened::Checkpointed(checkpoint)]);
        checkpoint
    }

    pub(crate) fn report(&mut self, lease: &LeaseId, what: Vec<Happened>) {
        let reports = what.into_iter().map(|what| Report { lease: lease.clone(), what }).collect();
        let session = self.session;
        let free = u32::from(self.grants.is_empty());
        self.handle(vec![
            Input::Reports { session, sequence: 1, reports },
            Input::Credits { session, free, granted: self.granted },
        ]);
    }

    pub(crate) async fn put_checkpoint(&self, grant: &Grant, epoch: u32) -> Checkpoint {
        let [weights, state] = ["weights", "state"].map(|part| bytes(grant, part, epoch));
        let checkpoint = Checkpoint { epoch, weights: Digest::of(&weights), state: Digest::of(&state) };
        let keys = ObjectKey::of_checkpoint(&grant.lease.study, grant.lease.trial, &checkpoint);
        for (key, bytes) in keys.iter().zip([weights, state]) {
            self.blobs.put(key, bytes).await.unwrap();
        }
        checkpoint
    }
}

fn bytes(grant: &Grant, part: &str, epoch: u32) -> Bytes {
    format!("{part} of {} after {epoch} epochs", grant.seed).into()
}

fn point(grant: &Grant, epoch: u32) -> CurvePoint {
    let value = f64::from(grant.hparams.int("width").unwrap() as i32) + f64::from(epoch);
    let metrics = Metrics {
        train_loss: 0.1,
        train_accuracy: 0.2,
        val_loss: 1.0,
        val_accuracy: value,
        val_macro_f1: f64::NAN,
    };
    CurvePoint { epoch, metrics, learning_rate: 1e-3, seconds: 0.25 }
}
