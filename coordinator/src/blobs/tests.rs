use std::collections::BTreeSet;

use common::ids::TrialNumber;
use tokio::task::JoinSet;

use super::{gated::Gated, *};

fn key(bytes: &[u8]) -> ObjectKey {
    ObjectKey {
        study: "0a1b2c3d".parse().unwrap(),
        trial: TrialNumber(3),
        epoch: 9,
        kind: ObjectKind::Weights,
        digest: Digest::of(bytes),
    }
}

#[tokio::test]
async fn what_is_put_is_got_until_its_study_is_deleted() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    let key = key(b"weights");
    blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap();
    assert_eq!(blobs.get(&key).await.unwrap(), "weights");
    blobs.delete_study(&key.study).await.unwrap();
    assert!(matches!(blobs.get(&key).await, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn data_sets_lie_beside_studies() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    let digest = Digest::of(b"data");
    assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
    assert!(blobs.put_data(digest, Bytes::from_static(b"dato")).await.is_err());
    blobs.put_data(digest, Bytes::from_static(b"data")).await.unwrap();
    assert_eq!(blobs.get_data(digest).await.unwrap(), "data");
    blobs.delete_data(digest).await.unwrap();
    blobs.delete_data(digest).await.unwrap();
    assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
}

#[test]
fn objects_are_synced_before_they_are_named() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    assert!(format!("{:?}", blobs.store).contains("fsync: true"), "{:?}", blobs.store);
}

#[tokio::test]
async fn weights_lie_beside_data_sets() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    let digest = Digest::of(b"weights");
    assert!(blobs.put_model(digest, Bytes::from_static(b"weighs")).await.is_err());
    blobs.put_model(digest, Bytes::from_static(b"weights")).await.unwrap();
    assert_eq!(blobs.get_model(digest).await.unwrap(), "weights");
    assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
    blobs.delete_model(digest).await.unwrap();
    blobs.delete_model(digest).await.unwrap();
    assert!(matches!(blobs.get_model(digest).await, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn damaged_bytes_are_neither_stored_nor_returned() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    let key = key(b"weights");
    assert!(matches!(blobs.put(&key, Bytes::from_static(b"weighs")).await, Err(BlobError::Damaged(_))));
    blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap();
    let file = state.path().join("objects").join(key.path().as_ref());
    std::fs::write(file, b"weightz").unwrap();
    assert!(matches!(blobs.get(&key).await, Err(BlobError::Damaged(_))));
}

/// Objects of a folder with a gate before it, and a quota.
async fn gated(state: &Path, quota: u64) -> (Blobs, Arc<Gated>) {
    let gated = Gated::shut(state);
    let store: Arc<dyn ObjectStore> = gated.clone();
    (Blobs::over(state, store).limited(Some(quota)).await.unwrap(), gated)
}

/// Whether exactly so many bytes count against a quota of a hundred.
fn counted(blobs: &Blobs, bytes: u64) -> bool {
    blobs.has_room(100 - bytes).is_ok() && blobs.has_room(101 - bytes).is_err()
}

#[tokio::test]
async fn an_upload_that_nobody_waits_for_is_stored_and_counted_once() {
    let state = tempfile::tempdir().unwrap();
    let (blobs, gated) = gated(state.path(), 100).await;
    let (key, bytes) = (key(b"weights"), Bytes::from_static(b"weights"));
    tokio::select! {
        stored = blobs.put(&key, bytes.clone()) => panic!("it waits at the gate: {stored:?}"),
        () = gated.arrival() => {}
    }
    // Sent once more before the first is through.
    let (again, ()) = tokio::join!(blobs.put(&key, bytes), async { gated.open() });
    again.unwrap();
    assert_eq!(blobs.stored().await.unwrap(), 7);
    assert!(counted(&blobs, 7));
    blobs.delete(&key).await.unwrap();
    blobs.delete(&key).await.unwrap();
    assert!(counted(&blobs, 0));
}

#[tokio::test]
async fn an_object_that_is_stored_although_that_failed_counts() {
    let state = tempfile::tempdir().unwrap();
    let (blobs, gated) = gated(state.path(), 100).await;
    gated.open();
    gated.lose_answers();
    let key = key(b"weights");
    blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap_err();
    assert_eq!(blobs.stored().await.unwrap(), 7);
    assert!(counted(&blobs, 7));
}

#[tokio::test]
async fn no_more_is_read_than_there_is_memory_for() {
    let state = tempfile::tempdir().unwrap();
    let (blobs, gated) = gated(state.path(), 100).await;
    gated.open();
    let blobs = Blobs { memory: Arc::new(Memory::new(10)), ..blobs };
    let contents = [&b"four"[..], b"five", b"six"];
    for bytes in contents {
        blobs.put(&key(bytes), Bytes::from_static(bytes)).await.unwrap();
    }
    let mut readers = JoinSet::new();
    for bytes in contents {
        let blobs = blobs.clone();
        readers.spawn(async move { blobs.get(&key(bytes)).await.unwrap() });
    }
    let held = [readers.join_next().await, readers.join_next().await];
    assert_eq!(gated.reads(), 2, "there is no room for all three");
    drop(held);
    readers.join_next().await.unwrap().unwrap();
    assert_eq!(gated.reads(), 3);
}

#[tokio::test]
async fn what_comes_in_and_what_goes_out_do_not_wait_for_each_other() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    let (memory, arriving) = (Arc::new(Memory::new(7)), Arc::new(Memory::new(7)));
    let blobs = Blobs { memory, arriving, ..blobs };
    let key = key(b"weights");
    let bytes = blobs.share(7).await.hold(Bytes::from_static(b"weights"));
    blobs.put(&key, bytes.clone()).await.unwrap();
    let out = blobs.get(&key).await.unwrap();
    drop(bytes);
    let _in = blobs.share(7).await;
    assert_eq!(out, "weights");
    // Data sets have room of their own, each way.
    let (digest, set) = (Digest::of(b"data set"), Bytes::from_static(b"data set"));
    blobs.put_data(digest, blobs.share_of_set(8).await.hold(set)).await.unwrap();
    assert_eq!(blobs.get_data(digest).await.unwrap(), "data set");
}

#[tokio::test]
async fn data_sets_and_weights_without_a_name_are_deleted_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap().limited(Some(1_000)).await.unwrap();
    let [one, two] = [&b"one"[..], b"two"].map(|bytes| (Digest::of(bytes), Bytes::copy_from_slice(bytes)));
    let key = key(b"weights");
    blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap();
    for (digest, bytes) in [&one, &two] {
        blobs.put_data(*digest, bytes.clone()).await.unwrap();
        blobs.put_model(*digest, bytes.clone()).await.unwrap();
    }
    blobs.delete_unnamed(&BTreeSet::from([data_path(one.0), model_path(two.0)])).await.unwrap();
    assert!(blobs.get_data(one.0).await.is_ok() && blobs.get_model(two.0).await.is_ok());
    for gone in [blobs.get_data(two.0).await, blobs.get_model(one.0).await] {
        assert!(matches!(gone, Err(BlobError::Missing(_))), "{gone:?}");
    }
    assert_eq!((blobs.stored().await.unwrap(), blobs.get(&key).await.unwrap()), (13, "weights".into()));
}

#[tokio::test]
async fn readers_of_one_object_read_it_once_and_one_beyond_the_limit_passes() {
    let state = tempfile::tempdir().unwrap();
    let (blobs, gated) = gated(state.path(), 100).await;
    gated.open();
    let blobs = Blobs { sets: Arc::new(Memory::new(4)), ..blobs };
    let digest = Digest::of(b"data set");
    blobs.put_data(digest, Bytes::from_static(b"data set")).await.unwrap();
    let (first, second) = tokio::join!(blobs.get_data(digest), blobs.get_data(digest));
    assert_eq!([first.unwrap(), second.unwrap()], ["data set"; 2]);
    assert_eq!(gated.reads(), 1);
    assert_eq!(blobs.get_data(digest).await.unwrap(), "data set");
    assert_eq!(gated.reads(), 2, "nobody had it any more");
    blobs.delete_data(digest).await.unwrap();
    assert!(matches!(blobs.get_data(digest).await, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn objects_of_a_study_that_may_begin_are_not_found() {
    let state = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(state.path()).unwrap();
    let key = key(b"weights");
    let mark = blobs.mark(&key.study);
    blobs.put(&key, Bytes::from_static(b"weights")).await.unwrap();
    assert_eq!(blobs.of_study(None).await.unwrap(), []);
    assert_eq!(blobs.of_trial(&key.study, key.trial).await.unwrap(), []);
    assert_eq!(blobs.size_of(&key).await.unwrap(), 7);
    drop(mark);
    assert_eq!(blobs.of_study(None).await.unwrap()[0].key, key);
}
