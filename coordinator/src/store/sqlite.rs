//! The store in one SQLite file: write-ahead log, synced at every commit, one writer.

use std::path::{Path, PathBuf};

use common::{
    ids::StudyId,
    time::Timestamp,
    view::{StudyPhase, StudyView},
};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, config::DbConfig, params};
use scheduler::Event;

use super::{
    Commit, Store, StoreError, StoredData, StoredStudy, attempts, curves, data, log, models, restored,
    schema::{self, Layout},
    studies,
};

/// The oldest SQLite that may hold a store: earlier ones can lose commits of a write-ahead log
/// (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST: (i32, &str) = (3_051_003, "3.51.3");

/// Bytes that a store must be able to write before it counts as usable again.
const ROOM: u32 = 256 << 10;

/// The writer's connection.
///
/// The state folder's lock lets one coordinator have it. Should a lock ever be lost, the generation still holds: each
/// opening is one more, every transaction checks that it is the last one, and an older writer's commit fails.
#[derive(Debug)]
pub struct SqliteStore {
    state: PathBuf,
    /// None while the file cannot be opened.
    pub(super) connection: Option<Connection>,
    generation: i64,
    /// Whether a write or a sync has failed: what the connection's files then hold is unknown to the system itself.
    broken: bool,
}

impl SqliteStore {
    /// Opens the store of a state folder, creating or migrating it. Whoever had it open before can commit no more.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        check_version(rusqlite::version_number(), rusqlite::version())?;
        let mut connection = connect(state)?;
        schema::migrate(&mut connection)?;
        let next = "UPDATE coordinator SET generation = generation + 1 RETURNING generation";
        let generation = connection.query_row(next, [], |row| row.get(0))?;
        Ok(Self { state: state.to_owned(), connection: Some(connection), generation, broken: false })
    }

    /// Takes up a store that was restored from a backup, and says whether it was one: every unfinished study's log says
    /// so from here on.
    pub fn take_up(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let generation = self.generation;
        let transaction = self.connection_mut()?.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !check_generation(&transaction, generation)? {
            return Ok(false);
        }
        for view in studies::all(&transaction, Layout::CURRENT)? {
            if view.phase == StudyPhase::Finished {
                continue;
            }
            let log = log::read(&transaction, Layout::CURRENT, &view.id)?;
            log::append(&transaction, &[(view.id, log.len() as u64, restored(&log, now))])?;
        }
        transaction.execute("UPDATE coordinator SET backup = 0", [])?;
        transaction.commit()?;
        Ok(true)
    }

    /// Writes a log as a coordinator without the second fence would.
    #[cfg(test)]
    pub(crate) fn write_unfenced(&mut self, study: &StudyId, log: &[Event]) {
        let numbered = log.iter().cloned().zip(0..).map(|(event, at)| (study.clone(), at, event));
        let events: Vec<_> = numbered.collect();
        self.transact(|transaction| {
            log::append(transaction, &events)?;
            attempts::fill(
                transaction,
                study,
                &events.iter().map(|(.., event)| event.clone()).collect::<Vec<_>>(),
            )
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// As after a sync that failed.
    #[cfg(test)]
    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Closed)
    }

    fn connection_mut(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// Runs a transaction as the current generation, and notes whether its files can be trusted after it.
    fn transact(
        &mut self,
        act: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let generation = self.generation;
        let done = self.connection_mut().and_then(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if check_generation(&transaction, generation)? {
                return Err(StoreError::NotTakenUp);
            }
            act(&transaction)?;
            Ok(transaction.commit()?)
        });
        self.broken |= done.as_ref().is_err_and(|error| !error.leaves_files_intact());
        done
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.transact(|transaction| write(transaction, commit))
    }

    fn load(&mut self) -> Result<Vec<StoredStudy>, StoreError> {
        let connection = self.connection()?;
        let study = |view: StudyView| {
            let finished = view.phase == StudyPhase::Finished;
            let log = if finished { Vec::new() } else { log::read(connection, Layout::CURRENT, &view.id)? };
            Ok(StoredStudy { id: view.id, name: view.name, log })
        };
        studies::check_complete(connection)?;
        let studies: Result<Vec<StoredStudy>, StoreError> =
            studies::all(connection, Layout::CURRENT)?.into_iter().map(study).collect();
        let studies = studies?;
        let mut wrong = Vec::new();
        for study in studies.iter().filter(|study| !study.log.is_empty()) {
            if attempts::is_wrong(connection, &study.id, &study.log)? {
                tracing::warn!(study = %study.id, "what was stored of its attempts was damaged: its log says what they are");
                wrong.push(study);
            }
        }
        if !wrong.is_empty() {
            self.transact(|transaction| {
                wrong.iter().try_for_each(|study| attempts::fill(transaction, &study.id, &study.log))
            })?;
        }
        Ok(studies)
    }

    fn log(&mut self, study: &StudyId) -> Result<Vec<Event>, StoreError> {
        log::read(self.connection()?, Layout::CURRENT, study)
    }

    fn data(&mut self) -> Result<StoredData, StoreError> {
        let connection = self.connection()?;
        let (sets, uses) = (data::read(connection, Layout::CURRENT)?, data::uses(connection)?);
        Ok(StoredData { sets, uses, models: models::read(connection, Layout::CURRENT)? })
    }

    /// A failed sync is never tried again on the same descriptor: the system may have dropped what it could not write
    /// and call the second try a success. The files are opened anew, all that the write-ahead log holds is written to the
    /// database again and synced, and the log begins anew. Then it must take a commit of some size.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.broken || self.connection.is_none() {
            if let Some(old) = self.connection.take() {
                // Closing must not write through the old descriptors either.
                let _ = old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            }
            let connection = self.connection.insert(connect(&self.state)?);
            let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy != 0 {
                return Err(StoreError::Busy);
            }
            self.broken = false;
        }
        self.transact(|transaction| {
            Ok(transaction.execute("UPDATE coordinator SET room = zeroblob(?)", [ROOM]).map(drop)?)
        })?;
        self.transact(|transaction| {
            Ok(transaction.execute("UPDATE coordinator SET room = x''", []).map(drop)?)
        })
    }
}

/// Opens the file for writing, synced at every commit.
fn connect(state: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(state.join(schema::FILE))?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::NoWriteAheadLog(mode));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn check_version(number: i32, version: &str) -> Result<(), StoreError> {
    let (oldest, name) = OLDEST;
    if number >= oldest {
        return Ok(());
    }
    Err(StoreError::OldSqlite { found: version.to_owned(), oldest: name })
}

/// Refuses a writer that another one has followed; says whether the store is a backup that nobody has taken up.
fn check_generation(transaction: &Transaction<'_>, own: i64) -> Result<bool, StoreError> {
    let mut query = transaction.prepare_cached("SELECT generation, backup FROM coordinator")?;
    let (current, backup): (i64, bool) = query.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if current == own { Ok(backup) } else { Err(StoreError::Superseded { own, current }) }
}

impl StoreError {
    /// Whether an error says nothing against the files: what was written before is as it was.
    fn leaves_files_intact(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ConstraintViolation)
            ),
            _ => true,
        }
    }
}

fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    attempts::check(transaction, &commit.events)?;
    // A name is free for the next one as soon as its study is deleted, in the same commit too.
    for study in &commit.deleted {
        transaction.execute("DELETE FROM studies WHERE study = ?", params![study.as_str()])?;
    }
    studies::write(transaction, commit)?;
    log::append(transaction, &commit.events)?;
    curves::write(transaction, commit)?;
    data::write(transaction, commit)?;
    models::write(transaction, commit)?;
    for study in &commit.deleted {
        for table in ["events", "logs", "studies", "trials", "curves", "attempts"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE study = ?"), params![study.as_str()])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sqlite_is_refused() {
        check_version(rusqlite::version_number(), rusqlite::version()).unwrap();
        check_version(3_051_003, "3.51.3").unwrap();
        let error = check_version(3_051_002, "3.51.2").unwrap_err();
        assert!(error.to_string().contains("3.51.2") && error.to_string().contains("3.51.3"), "{error}");
    }
}
