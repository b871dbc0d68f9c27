//! Rows of stored weights.

use common::{time::Timestamp, view::ModelView};
use rusqlite::{Connection, Transaction, params};

use super::{Commit, StoreError, schema};

/// All stored weights, by name; none in a store that no coordinator of this release has opened yet.
pub(super) fn read(connection: &Connection) -> Result<Vec<ModelView>, StoreError> {
    if !connection.table_exists(None, "models")? {
        return Ok(Vec::new());
    }
    let mut query =
        connection.prepare_cached("SELECT name, size, facts, created FROM models ORDER BY name")?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut models = Vec::new();
    for row in rows {
        let (name, size, facts, created) = row?;
        let what = format!("the row of weights {name}");
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
        transaction
            .prepare_cached("INSERT INTO models (name, digest, size, facts, created) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![
                model.name.as_str(),
                model.facts.digest.to_string(),
                model.size as i64,
                model.facts.to_json(),
                model.created.0 as i64,
            ])?;
    }
    for name in &commit.models_removed {
        transaction.execute("DELETE FROM models WHERE name = ?", [name.as_str()])?;
    }
    Ok(())
}
