//! Rows of data sets.

use common::{checkpoint::Digest, ids::StudyId, time::Timestamp, view::DataView};
use rusqlite::{Connection, Transaction, params};

use super::{
    Commit, StoreError,
    schema::{self, Layout},
    seal::{Seal, Sealer},
    studies,
};

/// All data sets, by name; none in a store that no coordinator of this release has opened yet.
pub(super) fn read(connection: &Connection, layout: Layout) -> Result<Vec<DataView>, StoreError> {
    if !layout.has_data() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT name, size, facts, created, {} FROM data ORDER BY name", layout.seal());
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], |row| {
        let (name, facts): (String, String) = (row.get(0)?, row.get(2)?);
        let (size, created): (i64, i64) = (row.get(1)?, row.get(3)?);
        Ok((name, size, facts, created, row.get::<_, Option<Vec<u8>>>(4)?))
    })?;
    let mut sets = Vec::new();
    for row in rows {
        let (name, size, facts, created, stored) = row?;
        let what = format!("the row of data set {name}");
        seal(&name, size, &facts, created).check(stored, layout.is_sealed(), || what.clone())?;
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
    let mut uses = Vec::new();
    for (study, spec) in studies::specs(connection, Layout::CURRENT)? {
        if let Some(facts) = &spec.data.facts {
            uses.push((study, facts.digest));
        }
    }
    Ok(uses)
}

/// Adds and removes rows.
pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    for set in &commit.data {
        transaction
            .prepare_cached(
                "INSERT INTO data (name, digest, size, facts, created, seal) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                set.name.as_str(),
                set.facts.digest.to_string(),
                set.size as i64,
                set.facts.to_json(),
                set.created.0 as i64,
                seal(set.name.as_str(), set.size as i64, &set.facts.to_json(), set.created.0 as i64),
            ])?;
    }
    for name in &commit.data_removed {
        transaction.execute("DELETE FROM data WHERE name = ?", [name.as_str()])?;
    }
    Ok(())
}

/// The seal of a data set's row.
pub(super) fn seal(name: &str, size: i64, facts: &str, created: i64) -> Seal {
    Sealer::of("data").text(name).int(size).text(facts).int(created).seal()
}
