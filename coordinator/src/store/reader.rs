//! Readers: snapshots of the rows, beside a running coordinator or without one.

use std::path::Path;

use common::{
    ids::{StudyId, TrialNumber},
    metrics::CurvePoint,
    model_spec::ModelSpec,
    study::StudySpec,
    view::{BestView, DataView, ModelView, StudyView, TrialView},
};
use rusqlite::{Connection, OpenFlags, params};

use super::{
    StoreError, curves, data, models,
    schema::{self, Layout},
    studies,
};

/// A read-only connection to a state folder's store.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
    pub(super) layout: Layout,
}

impl Reader {
    /// Opens the store of a state folder for reading.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let file = state.join(schema::FILE);
        if !file.exists() {
            return Err(StoreError::Missing(state.to_owned()));
        }
        // Not SQLITE_OPEN_READ_ONLY: the last reader of a write-ahead log must be able to tidy it away.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", true)?;
        let layout = Layout::of(&connection)?;
        Ok(Self { connection, layout })
    }

    /// All studies, oldest first.
    pub fn studies(&self) -> Result<Vec<StudyView>, StoreError> {
        studies::all(&self.connection, self.layout)
    }

    /// One study; none where it is not there.
    pub fn study(&self, study: &StudyId) -> Result<Option<StudyView>, StoreError> {
        studies::one(&self.connection, self.layout, study)
    }

    /// What a study was asked to do.
    pub fn spec(&self, study: &StudyId) -> Result<StudySpec, StoreError> {
        let spec = studies::spec(&self.connection, self.layout, study)?;
        spec.ok_or(StoreError::Database(rusqlite::Error::QueryReturnedNoRows))
    }

    /// A study's trials by number; those not drawn yet are left out.
    pub fn trials(&self, study: &StudyId) -> Result<Vec<TrialView>, StoreError> {
        studies::trials(&self.connection, self.layout, study)
    }

    /// One trial; none where it is not there.
    pub fn trial(&self, study: &StudyId, trial: TrialNumber) -> Result<Option<TrialView>, StoreError> {
        studies::trial(&self.connection, self.layout, study, trial)
    }

    /// A trial's learning curve, by epoch.
    pub fn curve(&self, study: &StudyId, trial: TrialNumber) -> Result<Vec<CurvePoint>, StoreError> {
        let columns = curves::columns(self.layout);
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {columns} FROM curves WHERE study = ? AND trial = ? ORDER BY epoch"
        ))?;
        let mut rows = query.query(params![study.as_str(), trial.0])?;
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            points.push(curves::point(row, self.layout)?.1);
        }
        Ok(points)
    }

    /// Data sets of the cluster, by name.
    pub fn data(&self) -> Result<Vec<DataView>, StoreError> {
        data::read(&self.connection, self.layout)
    }

    /// Weights of the cluster, by name.
    pub fn models(&self) -> Result<Vec<ModelView>, StoreError> {
        models::read(&self.connection, self.layout)
    }

    /// The best trial of a study, with what is needed to train it again; none before the first result.
    pub fn best(&self, study: &StudyId) -> Result<Option<BestView>, StoreError> {
        let Some(view) = self.study(study)? else { return Ok(None) };
        let Some(leader) = view.best else { return Ok(None) };
        let Some(trial) = self.trial(study, leader.trial)? else { return Ok(None) };
        let spec = self.spec(study)?;
        let parameters = parameters(&spec, &trial);
        Ok(Some(BestView { study: view, spec, trial, parameters }))
    }
}

/// Trainable parameters of a trial's model; 0 for the formula trainer, which has none.
fn parameters(spec: &StudySpec, trial: &TrialView) -> u64 {
    let shape = spec.data.shape();
    let model = shape.and_then(|shape| ModelSpec::build(spec.model, &trial.hparams, &shape).ok());
    model.map_or(0, |model| model.parameters())
}
