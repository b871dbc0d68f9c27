use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use common::{
    checkpoint::Digest,
    history::History,
    ids::{StudyId, TrialNumber},
    metrics::CurvePoint,
    study::StudySpec,
    view::{BestView, DataView, ModelView, StudyView, TrialView},
};

use super::ClientError;
use crate::{
    blobs::{Blobs, ObjectKey},
    resolve,
    store::{Reader, StoreError},
};

/// A state folder, opened for reading. A folder without a store is a cluster without studies.
#[derive(Debug)]
pub struct Stored {
    folder: PathBuf,
    reader: Option<Reader>,
}

impl Stored {
    /// Opens a state folder; creates nothing.
    pub fn open(folder: &Path) -> Result<Self, ClientError> {
        if folder.is_file() {
            return Err(ClientError::NoFolder(folder.to_owned()));
        }
        let reader = match Reader::open(folder) {
            Ok(reader) => Some(reader),
            Err(StoreError::Missing(_)) => None,
            Err(source) => return Err(ClientError::Store { folder: folder.to_owned(), source }),
        };
        Ok(Self { folder: folder.to_owned(), reader })
    }

    /// Whether no coordinator has ever run on the folder.
    pub fn is_new(&self) -> bool {
        self.reader.is_none()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All studies, oldest first.
    pub fn studies(&self) -> Result<Vec<StudyView>, ClientError> {
        match &self.reader {
            Some(reader) => reader.studies().map_err(|error| self.unreadable(error)),
            None => Ok(Vec::new()),
        }
    }

    /// One study and what it was asked to do.
    pub fn study(&self, study: &str) -> Result<(StudyView, StudySpec), ClientError> {
        let (reader, id) = self.find(study)?;
        let spec = reader.spec(&id).map_err(|error| self.unreadable(error))?;
        let view = reader.studies().map_err(|error| self.unreadable(error))?;
        match view.into_iter().find(|view| view.id == id) {
            Some(view) => Ok((view, spec)),
            None => Err(ClientError::Refused(format!("study {study} is gone"))),
        }
    }

    pub(super) fn trials(&self, study: &str) -> Result<Vec<TrialView>, ClientError> {
        let (reader, id) = self.find(study)?;
        reader.trials(&id).map_err(|error| self.unreadable(error))
    }

    pub(super) fn trial(
        &self,
        study: &str,
        trial: TrialNumber,
    ) -> Result<(TrialView, Vec<CurvePoint>), ClientError> {
        let (reader, id) = self.find(study)?;
        let view = reader.trial(&id, trial).map_err(|error| self.unreadable(error))?;
        let view = view.ok_or_else(|| ClientError::UnknownTrial { study: study.to_owned(), trial })?;
        let curve = reader.curve(&id, trial).map_err(|error| self.unreadable(error))?;
        Ok((view, curve))
    }

    pub(super) fn history(&self, study: &str) -> Result<History, ClientError> {
        let (reader, id) = self.find(study)?;
        let mut history = History::default();
        let read = reader.history(&id, |page| {
            history.append(page);
            ControlFlow::Continue(())
        });
        read.map_err(|error| self.unreadable(error))?;
        Ok(history)
    }

    pub(super) fn best(&self, study: &str) -> Result<BestView, ClientError> {
        let (reader, id) = self.find(study)?;
        let best = reader.best(&id).map_err(|error| self.unreadable(error))?;
        match best {
            Some(best) => Ok(best),
            None => Err(ClientError::without_best(&self.study(study)?.0)),
        }
    }

    pub(super) async fn object(&self, key: &ObjectKey) -> Result<Bytes, ClientError> {
        Ok(Blobs::open(&self.folder)?.get(key).await?)
    }

    pub(super) fn data(&self) -> Result<Vec<DataView>, ClientError> {
        match &self.reader {
            Some(reader) => reader.data().map_err(|error| self.unreadable(error)),
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn data_object(&self, digest: Digest) -> Result<Bytes, ClientError> {
        Ok(Blobs::open(&self.folder)?.get_data(digest).await?)
    }

    pub(super) fn models(&self) -> Result<Vec<ModelView>, ClientError> {
        match &self.reader {
            Some(reader) => reader.models().map_err(|error| self.unreadable(error)),
            None => Ok(Vec::new()),
        }
    }

    fn find(&self, study: &str) -> Result<(&Reader, StudyId), ClientError> {
        let Some(reader) = &self.reader else {
            let folder = self.folder.display();
            return Err(ClientError::Refused(format!(
                "there is no study {study}, for state folder {folder} is empty; `rung run mlp` starts the first one"
            )));
        };
        Ok((reader, resolve::study(&self.studies()?, study)?))
    }

    fn unreadable(&self, source: StoreError) -> ClientError {
        ClientError::Store { folder: self.folder.clone(), source }
    }
}
