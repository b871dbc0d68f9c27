mod integrity;

use std::{ops::ControlFlow, path::Path};

use common::{
    checkpoint::Digest,
    history::History,
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::{DataFacts, StudySpec},
    time::Timestamp,
    view::StudyPhase,
    weights::WeightsFacts,
};
use scheduler::{Event, Study};

use super::*;

fn spec() -> StudySpec {
    StudySpec::from_yaml("name: s\nmodel: formula\nspace: {width: {int: [1, 99]}}").unwrap()
}

fn id() -> StudyId {
    "0a1b2c3d".parse().unwrap()
}

fn view(phase: StudyPhase) -> StudyView {
    StudyView {
        id: id(),
        name: spec().name,
        phase,
        complete: false,
        end_reason: None,
        metric: spec().objective.metric,
        goal: spec().objective.goal(),
        trials: 143,
        states: [0; 6],
        epochs: 0,
        planned_epochs: 1581,
        best: None,
        created: Timestamp(5),
        finished: None,
        leases: 0,
        active_ms: 0,
        test: None,
        test_touches: 0,
    }
}

fn created() -> Commit {
    let events = Study::create(spec(), Timestamp(5));
    let numbered = events.into_iter().enumerate().map(|(i, event)| (id(), i as u64, event));
    Commit {
        events: numbered.collect(),
        created: vec![(id(), spec())],
        studies: vec![view(StudyPhase::Running)],
        ..Commit::default()
    }
}

fn point(epoch: u32, val_loss: f64) -> CurvePoint {
    let metrics = Metrics {
        train_loss: 0.5,
        train_accuracy: 0.8,
        val_loss,
        val_accuracy: 0.1 + 0.2,
        val_macro_f1: 1e-310,
    };
    CurvePoint { epoch, metrics, learning_rate: 1e-3, seconds: 0.25 }
}

fn open(state: &Path) -> (SqliteStore, Reader) {
    let store = SqliteStore::open(state).unwrap();
    (store, Reader::open(state).unwrap())
}

#[test]
fn what_is_committed_is_loaded_and_read() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    store.commit(&created()).unwrap();
    drop(store);
    let (mut store, _) = open(state.path());
    let stored = store.load().unwrap();
    assert_eq!(
        stored,
        [StoredStudy { id: id(), name: spec().name, log: Study::create(spec(), Timestamp(5)) }]
    );
    assert_eq!(reader.studies().unwrap(), [view(StudyPhase::Running)]);
    assert_eq!(reader.spec(&id()).unwrap(), spec());
    assert_eq!(reader.best(&id()).unwrap(), None);
}

#[test]
fn curve_points_keep_their_bits_and_are_replaced() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    let curve = |points: &[CurvePoint]| Commit {
        curves: points.iter().map(|point| (id(), TrialNumber(7), *point)).collect(),
        ..Commit::default()
    };
    store.commit(&curve(&[point(2, 0.75), point(1, 0.1)])).unwrap();
    store.commit(&curve(&[point(1, 0.9)])).unwrap();
    assert_eq!(reader.curve(&id(), TrialNumber(7)).unwrap(), [point(1, 0.9), point(2, 0.75)]);
    store.commit(&curve(&[point(1, -0.0)])).unwrap();
    assert_eq!(reader.curve(&id(), TrialNumber(7)).unwrap()[0].metrics.val_loss, 0.0);
    store.commit(&curve(&[point(1, f64::NAN)])).unwrap();
    assert!(reader.curve(&id(), TrialNumber(7)).unwrap()[0].metrics.val_loss.is_nan());
}

#[test]
fn a_commit_that_fails_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    store.commit(&created()).unwrap();
    let pause = Event::Paused { at: Timestamp(9) };
    let broken = Commit {
        events: vec![(id(), 1, pause.clone()), (id(), 0, pause)],
        studies: vec![view(StudyPhase::Paused)],
        ..Commit::default()
    };
    assert!(store.commit(&broken).is_err(), "event 0 is there already");
    assert_eq!(store.log(&id()).unwrap().len(), 1);
    assert_eq!(reader.studies().unwrap()[0].phase, StudyPhase::Running);
}

#[test]
fn a_deleted_study_is_gone_and_its_name_free() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    store.commit(&created()).unwrap();
    store.commit(&Commit { deleted: vec![id()], ..Commit::default() }).unwrap();
    assert!(reader.studies().unwrap().is_empty());
    assert!(store.load().unwrap().is_empty());
    store.commit(&created()).unwrap();
}

#[test]
fn a_name_is_free_in_the_commit_that_deletes_its_study() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    store.commit(&created()).unwrap();
    let other: StudyId = "0a1b2c3e".parse().unwrap();
    let events = created().events.into_iter().map(|(_, at, event)| (other.clone(), at, event));
    let again = Commit {
        events: events.chain([(id(), 1, Event::Paused { at: Timestamp(9) })]).collect(),
        created: vec![(other.clone(), spec())],
        studies: vec![view(StudyPhase::Paused), StudyView { id: other.clone(), ..view(StudyPhase::Running) }],
        deleted: vec![id()],
        ..Commit::default()
    };
    store.commit(&again).unwrap();
    let found: Vec<_> = reader.studies().unwrap().into_iter().map(|study| (study.id, study.phase)).collect();
    assert_eq!(found, [(other, StudyPhase::Running)]);
    assert!(store.log(&id()).unwrap().is_empty());
}

#[test]
fn a_test_loss_that_is_no_number_hides_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    store.commit(&created()).unwrap();
    let test = Some(TestMetrics { accuracy: 0.1, loss: f64::NAN, clean: None });
    let studies = vec![StudyView { test, ..view(StudyPhase::Running) }];
    store.commit(&Commit { studies, ..Commit::default() }).unwrap();
    assert!(reader.studies().unwrap()[0].test.unwrap().loss.is_nan());
    drop(store);
    let (mut store, _) = open(state.path());
    assert_eq!(store.load().unwrap().len(), 1, "a coordinator starts on it");
}

#[test]
fn the_store_of_a_newer_release_is_refused() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path()));
    let connection = rusqlite::Connection::open(state.path().join("rung.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(SqliteStore::open(state.path()), Err(StoreError::Newer { found: 99, .. })));
    assert!(matches!(Reader::open(state.path()), Err(StoreError::Newer { .. })));
}

fn data_set() -> DataView {
    let facts = DataFacts::known("fashion-mnist").unwrap();
    DataView { name: "mine".parse().unwrap(), facts, size: 7, created: Timestamp(9) }
}

#[test]
fn data_sets_and_their_uses_are_stored() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    let spec = StudySpec::from_yaml("name: s\nmodel: mlp\nspace: mlp").unwrap();
    let spec = spec.on(data_set().facts).unwrap();
    let commit = Commit { created: vec![(id(), spec)], data: vec![data_set()], ..created() };
    store.commit(&commit).unwrap();
    assert_eq!(reader.data().unwrap(), [data_set()]);
    let uses = vec![(id(), data_set().facts.digest)];
    assert_eq!(store.data().unwrap(), StoredData { sets: vec![data_set()], uses, ..StoredData::default() });
    assert!(
        store.commit(&Commit { data: vec![data_set()], ..Commit::default() }).is_err(),
        "the name is taken"
    );

    let removed = Commit { data_removed: vec![data_set().name], deleted: vec![id()], ..Commit::default() };
    store.commit(&removed).unwrap();
    assert_eq!(store.data().unwrap(), StoredData::default());
}

fn weights() -> ModelView {
    let tensors = [("dense_0.weight".to_owned(), vec![10, 784])].into();
    let facts = WeightsFacts { digest: Digest::of(b"weights"), tensors, origin: None };
    ModelView { name: "mine".parse().unwrap(), facts, size: 7, created: Timestamp(9) }
}

#[test]
fn weights_are_stored() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    let commit = Commit { models: vec![weights()], ..Commit::default() };
    assert!(!commit.is_empty());
    store.commit(&commit).unwrap();
    assert_eq!(reader.models().unwrap(), [weights()]);
    assert_eq!(store.data().unwrap().models, [weights()]);
    assert!(store.commit(&commit).is_err(), "the name is taken");

    let removed = Commit { models_removed: vec![weights().name], ..Commit::default() };
    assert!(!removed.is_empty());
    store.commit(&removed).unwrap();
    assert!(reader.models().unwrap().is_empty());
}

#[test]
fn a_store_without_data_sets_is_read_as_it_is_and_migrated_by_a_writer() {
    let state = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(state.path().join("rung.db")).unwrap();
    connection.execute_batch(include_str!("migrations/0001-start.sql")).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    drop(connection);
    assert!(Reader::open(state.path()).unwrap().data().unwrap().is_empty());
    assert!(Reader::open(state.path()).unwrap().models().unwrap().is_empty());
    let (mut store, reader) = open(state.path());
    store.commit(&Commit { data: vec![data_set()], ..Commit::default() }).unwrap();
    assert_eq!(reader.data().unwrap(), [data_set()]);
}

#[test]
fn a_history_comes_in_pages_of_one_whole() {
    let state = tempfile::tempdir().unwrap();
    let (mut store, reader) = open(state.path());
    store.commit(&created()).unwrap();
    let points = (0..1_000).flat_map(|trial| (1..=9).map(move |epoch| (trial, epoch)));
    let curves = points.map(|(trial, epoch)| (id(), TrialNumber(trial), point(epoch, 0.5))).collect();
    store.commit(&Commit { curves, ..Commit::default() }).unwrap();
    let (mut history, mut pages) = (History::default(), 0);
    let read = reader.history(&id(), |page| {
        let size: usize = page.curves.values().map(Vec::len).sum();
        assert!(size <= 4096, "{size} points in a page");
        pages += 1;
        history.append(page);
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert_eq!((pages, history.curves.len()), (3, 1_000));
    let whole: Vec<_> = (1..=9).map(|epoch| point(epoch, 0.5)).collect();
    assert!(history.curves.values().all(|curve| *curve == whole), "curves that a page broke are whole");
    let mut first = 0;
    reader
        .history(&id(), |_| {
            first += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(first, 1, "who breaks off gets no more");
}

#[test]
fn a_commit_is_synced_before_it_is_answered() {
    let state = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(state.path()).unwrap();
    let pragma = |name| {
        store.connection.as_ref().unwrap().pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(pragma("synchronous"), 2, "FULL: the log is synced at every commit");
}
