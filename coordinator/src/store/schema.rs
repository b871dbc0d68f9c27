//! The database file: its name, its tables, and how values are written in them.

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};

use super::{StoreError, upgrade};

/// The name of the database file in a state folder.
pub(super) const FILE: &str = "rung.db";

/// Migrations in order; the schema's version is how many have run.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001-start.sql"),
    include_str!("migrations/0002-data.sql"),
    include_str!("migrations/0003-integrity.sql"),
    include_str!("migrations/0004-models.sql"),
];

/// The version from which on rows have seals.
const SEALED: usize = 3;

/// What a store's tables have: readers take those of earlier releases as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout(usize);

impl Layout {
    /// The layout of this release.
    pub(super) const CURRENT: Self = Self(MIGRATIONS.len());

    /// The layout of a database.
    pub(super) fn of(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self(version(connection)?))
    }

    /// Whether rows have seals.
    pub(super) fn is_sealed(self) -> bool {
        self.0 >= SEALED
    }

    /// Whether there is a table of data sets.
    pub(super) fn has_data(self) -> bool {
        self.0 >= 2
    }

    /// Whether there is a table of weights.
    pub(super) fn has_models(self) -> bool {
        self.0 >= 4
    }

    /// The column of a row's seal, as a query names it.
    pub(super) fn seal(self) -> &'static str {
        if self.is_sealed() { "seal" } else { "NULL" }
    }

    /// The column of the seal of what a study was asked to do.
    pub(super) fn spec_seal(self) -> &'static str {
        if self.is_sealed() { "spec_seal" } else { "NULL" }
    }
}

/// The schema's version; one that is newer than this release is refused.
pub(super) fn version(connection: &Connection) -> Result<usize, StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len() as u32;
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(found as usize) }
}

/// Brings the schema up to this release, one transaction a step.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    for (i, migration) in MIGRATIONS.iter().enumerate().skip(version(connection)?) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        if i + 1 == SEALED {
            upgrade::seal_all(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", i as u32 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A value as a column holds it.
///
/// What is stored has maps with text keys, and floats that are finite or written as bits, so a failure means a fault
/// of ours, not of the disk.
pub(super) fn encode(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unreadable("a value to store", &error))
}

/// A value from a column; `what` names the row for people.
pub(super) fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(what, &error))
}

fn unreadable(what: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: what.to_owned(), reason: error.to_string() }
}
