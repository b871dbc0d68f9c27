use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use common::{checkpoint::Digest, ids::TrialNumber};
use coordinator::blobs::{BlobError, Blobs, ObjectKey, ObjectKind};
use tests::{
    Cluster, Sample,
    faults::{FailingSyncs, SmallDisk, flip},
    scratch,
};

const STUDY: Sample = Sample { name: "disk", seed: 9, epoch_seconds: 0.03 };

#[tokio::test]
async fn a_disk_that_is_full_again_and_again_changes_nothing() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let mut cluster = Cluster::stopped(3);
    let Some(disk) = SmallDisk::mount(&cluster.state(), 8)? else { return Ok(()) };
    cluster.start_coordinator().await?;
    for _ in 0..2 {
        cluster.start_worker(&[])?;
    }
    cluster.submit(&STUDY.yaml()).await?;
    for round in 1..=4 {
        cluster.until("disk", 60, |study| study.epochs >= 8 * round).await?;
        disk.fill()?;
        // Longer than it takes to train what is leased: somebody asks for space that is not there.
        tokio::time::sleep(Duration::from_millis(600)).await;
        disk.free()?;
    }
    assert_eq!(cluster.table("disk").await?, expected, "{}", cluster.logs());
    Ok(())
}

#[tokio::test]
async fn a_disk_that_does_not_sync_changes_nothing() -> Result<()> {
    let expected = STUDY.undisturbed().await?;
    let cluster = Cluster::with_lease(2, 3).await?;
    cluster.submit(&STUDY.yaml()).await?;
    let mut failed = 0;
    for (epochs, every) in [(3, 2), (12, 3), (24, 1)] {
        cluster.until("disk", 60, |study| study.epochs >= epochs).await?;
        let Some(failing) = FailingSyncs::of(cluster.coordinator_id()?, every).await? else { return Ok(()) };
        tokio::time::sleep(Duration::from_millis(700)).await;
        failed += failing.failed()?;
    }
    assert!(failed > 0, "a sync has failed");
    assert_eq!(cluster.table("disk").await?, expected, "{}", cluster.logs());
    Ok(())
}

/// A flip in every byte of a checkpoint's object, and every length that it may be cut to.
#[tokio::test]
async fn no_flipped_bit_and_no_missing_byte_of_a_checkpoint_is_overlooked() -> Result<()> {
    let state = scratch();
    let blobs = Blobs::open(state.path())?;
    let bytes = Bytes::from_iter((0..9000_u32).map(|index| (index % 251) as u8));
    let key = ObjectKey {
        study: "0a1b2c3d".parse()?,
        trial: TrialNumber(3),
        epoch: 9,
        kind: ObjectKind::Weights,
        digest: Digest::of(&bytes),
    };
    blobs.put(&key, bytes.clone()).await?;
    let files = tests::faults::files_below(&state.path().join("objects"))?;
    let file = files.first().context("it is in a file")?;
    for byte in 0..bytes.len() as u64 {
        let bit = 8 * byte + byte % 8;
        flip(file, bit)?;
        assert!(matches!(blobs.get(&key).await, Err(BlobError::Damaged(_))), "bit {bit}");
        flip(file, bit)?;
    }
    for length in (0..bytes.len()).step_by(97) {
        fs::write(file, &bytes[..length])?;
        assert!(matches!(blobs.get(&key).await, Err(BlobError::Damaged(_))), "{length} bytes");
    }
    fs::write(file, &bytes)?;
    assert_eq!(blobs.get(&key).await?, bytes);
    Ok(())
}
