//! The store in one SQLite file: write-ahead log, synced at every commit, one writer.

use std::path::Path;

use common::{
    ids::{StudyId, StudyName},
    view::{StudyPhase, StudyView},
};
use rusqlite::{Connection, Transaction, params};
use scheduler::Event;

use super::{Commit, Store, StoreError, StoredData, StoredStudy, data, models, schema};

/// The writer's connection. Only one may exist for a file: the state folder's lock sees to it.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Opens the store of a state folder, creating or migrating it.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(state.join(schema::FILE))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        Ok(Self { connection })
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        write(&transaction, commit)?;
        transaction.commit()?;
        Ok(())
    }

    fn load(&mut self) -> Result<Vec<StoredStudy>, StoreError> {
        let mut query = self.connection.prepare("SELECT view FROM studies ORDER BY created, rowid")?;
        let views = query.query_map([], |row| row.get::<_, String>(0))?;
        let mut studies = Vec::new();
        for view in views {
            let view = schema::decode::<StudyView>("a study's row", &view?)?;
            let finished = view.phase == StudyPhase::Finished;
            let log = if finished { Vec::new() } else { read_log(&self.connection, &view.id)? };
            studies.push(StoredStudy { id: view.id, name: view.name, log });
        }
        Ok(studies)
    }

    fn log(&mut self, study: &StudyId) -> Result<Vec<Event>, StoreError> {
        read_log(&self.connection, study)
    }

    fn data(&mut self) -> Result<StoredData, StoreError> {
        let connection = &self.connection;
        let (sets, uses) = (data::read(connection)?, data::uses(connection)?);
        Ok(StoredData { sets, uses, models: models::read(connection)? })
    }
}

fn read_log(connection: &Connection, study: &StudyId) -> Result<Vec<Event>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT event FROM events WHERE study = ? ORDER BY sequence")?;
    let rows = query.query_map([study.as_str()], |row| row.get::<_, String>(0))?;
    let events = rows.enumerate();
    events.map(|(i, row)| schema::decode(&format!("event {i} of study {study}"), &row?)).collect()
}

fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    for (study, spec) in &commit.created {
        let name: &StudyName = &spec.name;
        transaction
            .prepare_cached("INSERT INTO studies (study, name, created, spec, view) VALUES (?, ?, 0, ?, '')")?
            .execute(params![study.as_str(), name.as_str(), spec.to_json()])?;
    }
    for (study, sequence, event) in &commit.events {
        transaction
            .prepare_cached("INSERT INTO events (study, sequence, event) VALUES (?, ?, ?)")?
            .execute(params![study.as_str(), *sequence as i64, schema::encode(event)?])?;
    }
    for view in &commit.studies {
        transaction
            .prepare_cached("UPDATE studies SET created = ?, finished = ?, view = ? WHERE study = ?")?
            .execute(params![
                view.created.0 as i64,
                view.finished.map(|at| at.0 as i64),
                schema::encode(view)?,
                view.id.as_str()
            ])?;
    }
    for (study, view) in &commit.trials {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO trials (study, trial, view) VALUES (?, ?, ?)")?
            .execute(params![study.as_str(), view.trial.0, schema::encode(view)?])?;
    }
    write_curves(transaction, commit)?;
    data::write(transaction, commit)?;
    models::write(transaction, commit)?;
    for study in &commit.deleted {
        for table in ["events", "studies", "trials", "curves"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE study = ?"), [study.as_str()])?;
        }
    }
    Ok(())
}

fn write_curves(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    let mut insert =
        transaction.prepare_cached("INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for (study, trial, point) in &commit.curves {
        let metrics = &point.metrics;
        insert.execute(params![
            study.as_str(),
            trial.0,
            point.epoch,
            metrics.train_loss,
            metrics.train_accuracy,
            metrics.val_loss,
            metrics.val_accuracy,
            metrics.val_macro_f1,
            point.learning_rate,
            point.seconds,
        ])?;
    }
    Ok(())
}
