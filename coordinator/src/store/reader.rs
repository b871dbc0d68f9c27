//! Readers: snapshots of the rows, beside a running coordinator or without one.

use std::path::Path;

use common::{
    ids::{StudyId, TrialNumber},
    metrics::{CurvePoint, Metrics},
    model_spec::ModelSpec,
    study::StudySpec,
    view::{BestView, DataView, ModelView, StudyView, TrialView},
};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};

use super::{StoreError, data, models, schema};

/// A read-only connection to a state folder's store.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
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
        schema::version(&connection)?;
        Ok(Self { connection })
    }

    /// All studies, oldest first.
    pub fn studies(&self) -> Result<Vec<StudyView>, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT view FROM studies ORDER BY created, rowid")?;
        let rows = query.query_map([], |row| row.get::<_, String>(0))?;
        rows.map(|row| schema::decode("a study's row", &row?)).collect()
    }

    /// One study; none where it is not there.
    pub fn study(&self, study: &StudyId) -> Result<Option<StudyView>, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT view FROM studies WHERE study = ?")?;
        let view = query.query_row([study.as_str()], |row| row.get::<_, String>(0)).optional()?;
        view.map(|view| schema::decode("a study's row", &view)).transpose()
    }

    /// What a study was asked to do.
    pub fn spec(&self, study: &StudyId) -> Result<StudySpec, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT spec FROM studies WHERE study = ?")?;
        let spec = query.query_row([study.as_str()], |row| row.get::<_, String>(0))?;
        StudySpec::from_json(&spec).map_err(|error| StoreError::Unreadable {
            what: format!("the spec of study {study}"),
            reason: error.to_string(),
        })
    }

    /// A study's trials by number; those not drawn yet are left out.
    pub fn trials(&self, study: &StudyId) -> Result<Vec<TrialView>, StoreError> {
        let mut query =
            self.connection.prepare_cached("SELECT view FROM trials WHERE study = ? ORDER BY trial")?;
        let rows = query.query_map([study.as_str()], |row| row.get::<_, String>(0))?;
        rows.map(|row| schema::decode("a trial's row", &row?)).collect()
    }

    /// One trial; none where it is not there.
    pub fn trial(&self, study: &StudyId, trial: TrialNumber) -> Result<Option<TrialView>, StoreError> {
        let mut query =
            self.connection.prepare_cached("SELECT view FROM trials WHERE study = ? AND trial = ?")?;
        let row =
            query.query_row(params![study.as_str(), trial.0], |row| row.get::<_, String>(0)).optional()?;
        row.map(|view| schema::decode("a trial's row", &view)).transpose()
    }

    /// A trial's learning curve, by epoch.
    pub fn curve(&self, study: &StudyId, trial: TrialNumber) -> Result<Vec<CurvePoint>, StoreError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT * FROM curves WHERE study = ? AND trial = ? ORDER BY epoch")?;
        let rows = query.query_map(params![study.as_str(), trial.0], curve_point)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Data sets of the cluster, by name.
    pub fn data(&self) -> Result<Vec<DataView>, StoreError> {
        data::read(&self.connection)
    }

    /// Weights of the cluster, by name.
    pub fn models(&self) -> Result<Vec<ModelView>, StoreError> {
        models::read(&self.connection)
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

/// A learning curve's point from its row.
pub(super) fn curve_point(row: &Row<'_>) -> rusqlite::Result<CurvePoint> {
    // SQLite keeps NaN as NULL.
    let real = |column| row.get::<_, Option<f64>>(column).map(|value| value.unwrap_or(f64::NAN));
    Ok(CurvePoint {
        epoch: row.get(2)?,
        metrics: Metrics {
            train_loss: real(3)?,
            train_accuracy: real(4)?,
            val_loss: real(5)?,
            val_accuracy: real(6)?,
            val_macro_f1: real(7)?,
        },
        learning_rate: real(8)?,
        seconds: real(9)?,
    })
}
