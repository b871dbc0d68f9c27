//! Everything that is stored, row by row, with what is damaged named instead of used.

use common::{
    ids::{Attempt, StudyId, TrialNumber},
    study::StudySpec,
    view::{StudyView, TrialView},
};
use scheduler::Event;

use super::{Reader, StoreError, curves, log, studies};

/// One study as it lies in the tables; what is damaged is left out and named.
#[derive(Debug, Default)]
pub struct StoredRows {
    /// Its identity, as far as it can be read.
    pub id: String,
    /// Its row.
    pub view: Option<StudyView>,
    /// What it was asked to do.
    pub spec: Option<StudySpec>,
    /// Its log; none where an event is damaged or missing.
    pub log: Option<Vec<Event>>,
    /// The rows of its trials.
    pub trials: Vec<TrialView>,
    /// The last attempt of each trial, and whether its lease is out; none in a store of an earlier release.
    pub attempts: Option<Vec<(TrialNumber, Attempt, bool)>>,
    /// What is wrong with rows, in words.
    pub damage: Vec<StoreError>,
}

impl StoredRows {
    fn note<T>(&mut self, found: Result<T, StoreError>) -> Option<T> {
        found.map_err(|error| self.damage.push(error)).ok()
    }
}

impl Reader {
    /// What is wrong with the database's pages, in SQLite's words; nothing where they are sound.
    pub fn structure(&self) -> Result<Vec<String>, StoreError> {
        let mut query = self.connection.prepare("PRAGMA quick_check")?;
        let rows = query.query_map([], |row| row.get::<_, String>(0))?;
        let found: Vec<String> = rows.collect::<Result<_, _>>()?;
        Ok(if found == ["ok"] { Vec::new() } else { found })
    }

    /// Whether rows have seals: those of an earlier release get theirs when a coordinator next opens the store.
    pub fn is_sealed(&self) -> bool {
        self.layout.is_sealed()
    }

    /// Hands out all studies, each whole, as they are at one moment.
    pub fn inspect(&self, mut take: impl FnMut(StoredRows)) -> Result<(), StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut query = snapshot.prepare(
            "SELECT study FROM studies UNION SELECT study FROM events UNION SELECT study FROM trials \
             UNION SELECT study FROM curves",
        )?;
        let ids: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for id in ids {
            take(self.rows(id)?);
        }
        Ok(())
    }

    fn rows(&self, text: String) -> Result<StoredRows, StoreError> {
        let mut rows = StoredRows { id: text.clone(), ..StoredRows::default() };
        let Ok(id) = text.parse::<StudyId>() else {
            rows.damage.push(StoreError::Damaged(format!("a row of study `{text}`")));
            return Ok(rows);
        };
        let (connection, layout) = (&self.connection, self.layout);
        match studies::one(connection, layout, &id) {
            Ok(Some(view)) => rows.view = Some(view),
            Ok(None) => {
                rows.damage.push(StoreError::Damaged(format!("the row of study {id}, which is missing,")))
            }
            Err(error) => rows.damage.push(error),
        }
        let spec = studies::spec(connection, layout, &id);
        rows.spec = rows.note(spec).flatten();
        let (events, damage) = log::inspect(connection, layout, &id)?;
        rows.log = damage.is_empty().then_some(events);
        rows.damage.extend(damage);
        for trial in studies::trial_results(connection, layout, &id)? {
            if let Some(trial) = rows.note(trial) {
                rows.trials.push(trial);
            }
        }
        rows.damage.extend(self.damaged_points(&id)?);
        if layout.is_sealed() {
            rows.attempts = Some(self.attempts(&id)?);
        }
        Ok(rows)
    }

    fn damaged_points(&self, study: &StudyId) -> Result<Vec<StoreError>, StoreError> {
        let columns = curves::columns(self.layout);
        let mut query = self
            .connection
            .prepare_cached(&format!("SELECT {columns} FROM curves WHERE study = ? ORDER BY trial, epoch"))?;
        let mut rows = query.query([study.as_str()])?;
        let mut damage = Vec::new();
        while let Some(row) = rows.next()? {
            damage.extend(curves::point(row, self.layout).err());
        }
        Ok(damage)
    }

    fn attempts(&self, study: &StudyId) -> Result<Vec<(TrialNumber, Attempt, bool)>, StoreError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT trial, attempt, live FROM attempts WHERE study = ? ORDER BY trial")?;
        let rows = query.query_map([study.as_str()], |row| {
            Ok((TrialNumber(row.get(0)?), Attempt(row.get::<_, i64>(1)? as u64), row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The log of one study.
    pub fn log(&self, study: &StudyId) -> Result<Vec<Event>, StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        log::read(&snapshot, self.layout, study)
    }
}
