//! Rows of stored weights.

use common::{time::Timestamp, view::ModelView};
use rusqlite::{Connection, Transaction, params};

use super::{
    Commit, StoreError,
    schema::{self, Layout},
    seal::{Seal, Sealer},
};

/// All stored weights, by name; none in a store that no coordinator of this release has opened yet.
pub(super) fn read(connection: &Connection, layout: Layout) -> Result<Vec<ModelView>, StoreError> {
    if !layout.has_models() {
        return Ok(Vec::new());
    }
    let mut query =
        connection.prepare_cached("SELECT name, size, facts, created, seal FROM models ORDER BY name")?;
    let rows = query.query_map([], |row| {
        let (name, facts): (String, String) = (row.get(0)?, row.get(2)?);
        let (size, created): (i64, i64) = (row.get(1)?, row.get(3)?);
        Ok((name, size, facts, created, row.get::<_, Option<Vec<u8>>>(4)?))
    })?;
    let mut models = Vec::new();
    for row in rows {
        let (name, size, facts, created, stored) = row?;
        let what = format!("the row of weights {name}");
        // The table is as old as its seals.
        seal(&name, size, &facts, created).check(stored, true, || what.clone())?;
        let unreadable = |reason: String| StoreError::Unreadable { what: what.clone(), reason };
        models.push(ModelView {
            name: name.parse().map_err(|error: common::ids::InvalidName| unreadable(error.to_string()))?,
            facts: schema::decode(&what, &facts)?,
            size: size as u64,
            created: Timestamp(created as u64),
        });
    }
    Ok(models)
}

/// Adds and removes rows.
pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    for model in &commit.models {
        let (name, facts) = (model.name.as_str(), model.facts.to_json());
        let (size, created) = (model.size as i64, model.created.0 as i64);
        transaction
            .prepare_cached(
                "INSERT INTO models (name, digest, size, facts, created, seal) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                name,
                model.facts.digest.to_string(),
                size,
                facts,
                created,
                seal(name, size, &facts, created),
            ])?;
    }
    for name in &commit.models_removed {
        transaction.execute("DELETE FROM models WHERE name = ?", [name.as_str()])?;
    }
    Ok(())
}

fn seal(name: &str, size: i64, facts: &str, created: i64) -> Seal {
    Sealer::of("models").text(name).int(size).text(facts).int(created).seal()
}
