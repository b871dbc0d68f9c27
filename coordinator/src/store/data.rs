//! Rows of data sets.

use common::{checkpoint::Digest, ids::StudyId, time::Timestamp, view::DataView};
use rusqlite::{Connection, Transaction, params};

use super::{Commit, StoreError, schema};

/// All data sets, by name; none in a store that no coordinator of this release has opened yet.
pub(super) fn read(connection: &Connection) -> Result<Vec<DataView>, StoreError> {
    if schema::version(connection)? < 2 {
        return Ok(Vec::new());
    }
    let mut query = connection.prepare_cached("SELECT name, size, facts, created FROM data ORDER BY name")?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut sets = Vec::new();
    for row in rows {
        let (name, size, facts, created) = row?;
        let what = format!("the row of data set {name}");
        let unreadable = |reason: String| StoreError::Unreadable { what: what.clone(), reason };
        sets.push(DataView {
            name: name.parse().map_err(|error: common::ids::InvalidName| unreadable(error.to_string()))?,
            facts: schema::decode(&what, &facts)?,
            size: size as u64,
            created: Timestamp(created as u64),
        });
    }
    Ok(sets)
}

/// The data that each study recorded when it was submitted.
pub(super) fn uses(connection: &Connection) -> Result<Vec<(StudyId, Digest)>, StoreError> {
    let mut query = connection.prepare(
        "SELECT study, spec ->> '$.data.facts.digest' FROM studies WHERE spec ->> '$.data.facts.digest' NOT NULL",
    )?;
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut uses = Vec::new();
    for row in rows {
        let (study, digest) = row?;
        let what = format!("the data of study {study}");
        let unreadable = |reason: String| StoreError::Unreadable { what: what.clone(), reason };
        uses.push((
            study.parse().map_err(|error: common::ids::InvalidName| unreadable(error.to_string()))?,
            digest
                .parse()
                .map_err(|error: common::checkpoint::InvalidDigest| unreadable(error.to_string()))?,
        ));
    }
    Ok(uses)
}

/// Adds and removes rows.
pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    for set in &commit.data {
        transaction
            .prepare_cached("INSERT INTO data (name, digest, size, facts, created) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![
                set.name.as_str(),
                set.facts.digest.to_string(),
                set.size as i64,
                set.facts.to_json(),
                set.created.0 as i64,
            ])?;
    }
    for name in &commit.data_removed {
        transaction.execute("DELETE FROM data WHERE name = ?", [name.as_str()])?;
    }
    Ok(())
}
