//! A copy of a store, as it is at one moment.

use std::{fs::File, io, path::Path};

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, schema};

/// Copies the store of a state folder into another folder, beside a running coordinator or without one, and marks the
/// copy as a backup: who takes it up gives no attempt a second time. It is on disk when this returns.
///
/// Every page is read and written anew, so a database whose structure is damaged fails to be copied.
pub fn copy(state: &Path, to: &Path) -> Result<(), StoreError> {
    let file = state.join(schema::FILE);
    if !file.exists() {
        return Err(StoreError::Missing(state.to_owned()));
    }
    let copy = to.join(schema::FILE);
    // A copy of an earlier moment gives way.
    if copy.exists() {
        std::fs::remove_file(&copy).map_err(|error| unwritten(&copy, &error))?;
    }
    let from = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    schema::version(&from)?;
    from.execute("VACUUM INTO ?", [copy.to_string_lossy()])?;
    let mut copied = Connection::open(&copy)?;
    copied.pragma_update(None, "synchronous", "FULL")?;
    schema::migrate(&mut copied)?;
    copied.execute("UPDATE coordinator SET backup = 1", [])?;
    copied.close().map_err(|(_, error)| error)?;
    let synced = File::open(&copy).and_then(|file| file.sync_all());
    let synced = synced.and_then(|()| File::open(to)?.sync_all());
    synced.map_err(|error| unwritten(&copy, &error))
}

fn unwritten(copy: &Path, error: &io::Error) -> StoreError {
    StoreError::Unreadable { what: copy.display().to_string(), reason: error.to_string() }
}
