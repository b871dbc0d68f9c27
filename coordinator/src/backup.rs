//! Backups: a state folder as it is at one moment, made beside a running coordinator or without one.
//!
//! A backup is a state folder itself. A coordinator that is started on it, or on a copy of it, takes it up: studies go on
//! from there, and what was done after it was made is done again.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use common::{checkpoint::Digest, ids::StudyId, time::Timestamp};
use object_store::path::Path as StorePath;

use crate::{
    blobs::{self, BlobError, Blobs, ObjectKey},
    driver::Projection,
    store::{self, Reader, StoreError},
};

/// How often the store is copied again because objects were superseded and deleted while they were gathered.
const ROUNDS: u32 = 20;

/// What a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backup {
    /// Studies.
    pub studies: u64,
    /// Objects: checkpoints, class probabilities, data sets, weights.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{0} is there already, and a backup replaces nothing: name a folder that is not there")]
    Occupied(PathBuf),
    /// The store cannot be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object that is needed is gone or damaged, or cannot be read.
    #[error("{0}; `rung fsck` names all that is wrong")]
    Object(BlobError),
    /// Objects were superseded faster than they could be gathered.
    #[error(
        "objects were replaced faster than they could be gathered: try again, or pause studies meanwhile"
    )]
    Restless,
    /// The disk.
    #[error("{path}: {source}")]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A fault of ours.
    #[error("the backup panicked")]
    Panicked,
}

/// Backs a state folder up into a folder that is not there yet. It appears whole and on disk, or not at all.
pub async fn backup(state: &Path, to: &Path) -> Result<Backup, BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Occupied(to.to_owned()));
    }
    // Asked first, so that a wrong folder leaves nothing.
    Reader::open(state)?;
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(disk(parent))?;
    let staged = tempfile::Builder::new().prefix(".backup-").tempdir_in(parent).map_err(disk(parent))?;
    let made = gather(state, staged.path()).await?;
    sync_folders(staged.path()).map_err(disk(staged.path()))?;
    fs::rename(staged.path(), to).map_err(disk(to))?;
    // It has another name now, and is there to stay.
    let _ = staged.keep();
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(disk(parent))?;
    Ok(made)
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    |source| BackupError::Disk { path, source }
}

/// Copies the store, then the objects that the copy names. One that is gone by then was superseded, if the next copy does
/// not name it: few are left to gather in each round, so it comes to an end.
async fn gather(state: &Path, to: &Path) -> Result<Backup, BackupError> {
    let objects = Blobs::open(state).map_err(BackupError::Object)?;
    let mut gone: Vec<StorePath> = Vec::new();
    for _ in 0..ROUNDS {
        let (from, into) = (state.to_owned(), to.to_owned());
        let named = tokio::task::spawn_blocking(move || copied(&from, &into));
        let (studies, named) = named.await.map_err(|_| BackupError::Panicked)??;
        let (mut missing, mut made) = (Vec::new(), Backup { studies, ..Backup::default() });
        for object in &named {
            match object.bring(&objects, state, to).await {
                Ok(bytes) => {
                    made.objects += 1;
                    made.bytes += bytes;
                }
                Err(BackupError::Object(error @ BlobError::Missing(_))) if gone.contains(&object.path()) => {
                    return Err(BackupError::Object(error));
                }
                Err(BackupError::Object(BlobError::Missing(_))) => missing.push(object.path()),
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() {
            leave_only(&named, to).map_err(disk(to))?;
            return Ok(made);
        }
        gone = missing;
    }
    Err(BackupError::Restless)
}

/// An object that a store names.
#[derive(Debug)]
enum Named {
    Of(ObjectKey),
    Data(Digest),
    Model(Digest),
}

impl Named {
    fn path(&self) -> StorePath {
        match self {
            Self::Of(key) => key.path(),
            Self::Data(digest) => blobs::data_path(*digest),
            Self::Model(digest) => blobs::model_path(*digest),
        }
    }

    /// Links the object into the backup, or copies it where that is on another file system; returns its size. Its digest
    /// is checked either way.
    async fn bring(&self, objects: &Blobs, state: &Path, to: &Path) -> Result<u64, BackupError> {
        let bytes = match self {
            Self::Of(key) => objects.get(key).await,
            Self::Data(digest) => objects.get_data(*digest).await,
            Self::Model(digest) => objects.get_model(*digest).await,
        };
        let place = to.join(blobs::FOLDER).join(self.path().as_ref());
        if place.exists() {
            // Gathered in an earlier round.
            return Ok(fs::metadata(&place).map_err(disk(&place))?.len());
        }
        let bytes = bytes.map_err(BackupError::Object)?;
        let folder = place.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(disk(folder))?;
        let original = state.join(blobs::FOLDER).join(self.path().as_ref());
        if fs::hard_link(&original, &place).is_err() {
            fs::write(&place, &bytes).and_then(|()| File::open(&place)?.sync_all()).map_err(disk(&place))?;
        }
        Ok(bytes.len() as u64)
    }
}

/// Copies the store, and reads from the copy what it names and how many studies it has.
fn copied(state: &Path, to: &Path) -> Result<(u64, Vec<Named>), StoreError> {
    store::copy(state, to)?;
    let reader = Reader::open(to)?;
    let mut named = Vec::new();
    let studies = reader.studies()?;
    for study in &studies {
        named.extend(objects(&study.id, &reader)?.into_iter().map(Named::Of));
    }
    named.extend(reader.data()?.into_iter().map(|set| Named::Data(set.facts.digest)));
    named.extend(reader.models()?.into_iter().map(|model| Named::Model(model.facts.digest)));
    Ok((studies.len() as u64, named))
}

fn objects(study: &StudyId, reader: &Reader) -> Result<Vec<ObjectKey>, StoreError> {
    let fold = Projection::of(study, &reader.log(study)?, Timestamp(0));
    let fold = fold.map_err(|error| StoreError::Unreadable {
        what: format!("the log of study {study}"),
        reason: error.to_string(),
    })?;
    Ok(fold.objects())
}

/// Removes what an earlier round has gathered and the last one does not name.
fn leave_only(named: &[Named], to: &Path) -> io::Result<()> {
    let folder = to.join(blobs::FOLDER);
    let named: std::collections::BTreeSet<PathBuf> =
        named.iter().map(|object| folder.join(object.path().as_ref())).collect();
    for file in files(&folder)? {
        if !named.contains(&file) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// All files below a folder; none where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

/// Makes names durable: files are synced where they were written.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
