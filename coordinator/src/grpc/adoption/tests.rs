//! Submissions that go wrong: no copy is left of a study that did not begin, and none is lost of one that did.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use common::{time::Timestamp, view::Leader};
use object_store::ObjectStore;
use proto::v1::{self as pb, study_service_server::StudyService as _};
use scheduler::Event;
use tokio_util::task::TaskTracker;
use tonic::{Code, Request as Call};

use super::{super::StudyServer, *};
use crate::{
    blobs::gated::Gated,
    clock::Clock,
    driver::{self, Machine, Projection},
    played::Played,
    store::{Commit, Reader, SqliteStore, Store, StoreError, StoredData, StoredStudy},
};

/// A service over a state folder. Its driver runs as long as the future is polled.
fn service(
    state: PathBuf,
    blobs: Arc<Blobs>,
    mut store: Box<dyn Store>,
) -> (StudyServer, TaskTracker, impl Future<Output = Result<(), StoreError>>) {
    let (clock, tasks, stop) = (Clock::system(), TaskTracker::new(), CancellationToken::new());
    let machine = Machine::recover(store.load().unwrap(), Duration::from_secs(30), clock.now()).unwrap();
    let (driver, running) = driver::run(machine, store, Arc::clone(&blobs), clock, stop.clone());
    (StudyServer::new(driver, state, blobs, tasks.clone(), stop), tasks, running)
}

fn stored(played: &Played) -> Box<dyn Store> {
    Box::new(SqliteStore::open(&played.state()).unwrap())
}

/// The best trial of a finished study.
fn best(played: &Played) -> Leader {
    let view = Reader::open(&played.state()).unwrap().study(&played.id).unwrap();
    view.unwrap().best.unwrap()
}

/// Asks for an ensemble of that trial, with a seed.
fn ensemble(played: &Played, seed: u32) -> Call<pb::SubmitStudyRequest> {
    let (id, Leader { trial, value, checkpoint, .. }) = (&played.id, best(played));
    let (epoch, weights, state) = (checkpoint.epoch, checkpoint.weights, checkpoint.state);
    let spec = format!(
        "{{name: ensemble, model: formula, seed: {seed}, evaluate: all, parent: {id}, \
         scheduler: {{kind: fixed, epochs: {epoch}, trials: [{{hparams: {{width: 1}}, trained: \
         {{trial: {trial}, value: {value:?}, epoch: {epoch}, weights: {weights}, state: {state}}}}}]}}}}"
    );
    let spec = StudySpec::from_yaml(&spec).unwrap();
    assert!(spec.is_adopted());
    Call::new(pb::SubmitStudyRequest { spec_json: spec.to_json(), ..Default::default() })
}

async fn keys(blobs: &Blobs) -> BTreeSet<ObjectKey> {
    blobs.of_study(None).await.unwrap().into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn copies_are_removed_where_one_of_them_cannot_be_made() {
    let played = Played::with_events(usize::MAX).await;
    let [_, state] = ObjectKey::of_checkpoint(&played.id, best(&played).trial, &best(&played).checkpoint);
    let file = played.state().join("objects").join(state.path().as_ref());
    let mut damaged = fs::read(&file).unwrap();
    damaged[0] ^= 1;
    fs::write(&file, damaged).unwrap();
    let before = keys(&played.blobs).await;
    let (server, ..) = service(played.state(), Arc::new(played.blobs.clone()), stored(&played));
    let refused = server.submit_study(ensemble(&played, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::DataLoss);
    assert_eq!(keys(&played.blobs).await, before);
}

#[tokio::test]
async fn nothing_is_copied_where_there_is_no_room_for_all() {
    let played = Played::with_events(usize::MAX).await;
    let gated = Gated::shut(&played.state());
    let store: Arc<dyn ObjectStore> = gated.clone();
    let quota = played.blobs.stored().await.unwrap() + 1;
    let blobs = Blobs::over(&played.state(), store).limited(Some(quota)).await.unwrap();
    let (server, ..) = service(played.state(), Arc::new(blobs), stored(&played));
    // Nothing comes to the gate, which is shut.
    let refused = server.submit_study(ensemble(&played, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn copies_are_removed_where_whoever_submitted_has_gone() {
    let played = Played::with_events(usize::MAX).await;
    let gated = Gated::shut(&played.state());
    let store: Arc<dyn ObjectStore> = gated.clone();
    let blobs = Arc::new(Blobs::over(&played.state(), store));
    let before = keys(&blobs).await;
    let (server, tasks, _running) = service(played.state(), Arc::clone(&blobs), stored(&played));
    tokio::select! {
        answer = server.submit_study(ensemble(&played, 1)) => panic!("it waits at the gate: {answer:?}"),
        () = gated.arrival() => {}
    }
    gated.open();
    tasks.close();
    tasks.wait().await;
    assert_eq!(keys(&blobs).await, before);
}

/// A store that loses its first answer.
struct Silent {
    store: SqliteStore,
    answers: bool,
}

impl Store for Silent {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.store.commit(commit)?;
        if std::mem::replace(&mut self.answers, true) {
            return Ok(());
        }
        Err(StoreError::Unreadable { what: "the disk".to_owned(), reason: "it has failed".to_owned() })
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
        self.store.reopen()
    }
}

#[tokio::test]
async fn a_study_that_is_stored_although_that_failed_has_its_checkpoints() {
    let played = Played::with_events(usize::MAX).await;
    let store = SqliteStore::open(&played.state()).unwrap();
    let blobs = Arc::new(played.blobs.clone());
    let silent = Box::new(Silent { store, answers: false });
    let (server, _, running) = service(played.state(), Arc::clone(&blobs), silent);
    let running = tokio::spawn(running);
    let refused = server.submit_study(ensemble(&played, 1)).await.unwrap_err();
    assert!(refused.code() == Code::Internal && refused.message().contains("not known"), "{refused}");
    let reader = Reader::open(&played.state()).unwrap();
    let study = reader.studies().unwrap().pop().unwrap().id;
    assert_ne!(study, played.id, "it is stored");
    let log = reader.log(&study).unwrap();
    let needed = Projection::of(&study, &log, Timestamp(0)).unwrap().objects();
    assert!(!needed.is_empty());
    for key in needed {
        blobs.get(&key).await.unwrap();
    }
    running.abort();
}

#[tokio::test]
async fn copies_are_removed_where_no_study_began() {
    let played = Played::with_events(usize::MAX).await;
    let blobs = Arc::new(played.blobs.clone());
    let (server, _, running) = service(played.state(), Arc::clone(&blobs), stored(&played));
    let running = tokio::spawn(running);
    let study = server.submit_study(ensemble(&played, 1)).await.unwrap().into_inner().study.unwrap();
    let again = server.submit_study(ensemble(&played, 1)).await.unwrap().into_inner();
    assert!(again.resumed);
    let refused = server.submit_study(ensemble(&played, 2)).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let with_objects: BTreeSet<_> = keys(&blobs).await.into_iter().map(|key| key.study).collect();
    assert_eq!(with_objects, BTreeSet::from([played.id, study.id.parse().unwrap()]));
    running.abort();
}
