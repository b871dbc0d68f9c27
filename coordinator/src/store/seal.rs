//! Seals: a digest in each row, so that a flipped bit is found when the row is read, and named.

use rusqlite::types::{ToSql, ToSqlOutput};

use super::StoreError;

/// Bytes of a seal: enough that damage is never mistaken for the row.
const BYTES: usize = 16;

/// The seal of a row, as it lies beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal([u8; BYTES]);

impl Seal {
    /// Compares with what is stored. A store that an earlier release wrote has none, and nothing to compare with.
    pub(super) fn check(
        self,
        stored: Option<Vec<u8>>,
        sealed: bool,
        what: impl FnOnce() -> String,
    ) -> Result<(), StoreError> {
        if !sealed || stored.as_deref() == Some(&self.0) {
            return Ok(());
        }
        Err(StoreError::Damaged(what()))
    }
}

impl ToSql for Seal {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_slice()))
    }
}

/// Takes a row's columns in order.
#[derive(Debug)]
pub(super) struct Sealer(blake3::Hasher);

impl Sealer {
    /// A seal of a row of a table: rows of two tables never have the same one.
    pub(super) fn of(table: &str) -> Self {
        Self(blake3::Hasher::new()).text(table)
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        self
    }

    pub(super) fn int(mut self, number: i64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// A number that may be absent.
    pub(super) fn maybe(self, number: Option<i64>) -> Self {
        self.int(i64::from(number.is_some())).int(number.unwrap_or_default())
    }

    /// A float by its bits; SQLite keeps neither those of NaN nor the sign of a zero, so all of these are one.
    pub(super) fn real(self, number: f64) -> Self {
        let number = if number.is_nan() { f64::NAN } else { number + 0.0 };
        self.int(number.to_bits() as i64)
    }

    pub(super) fn seal(self) -> Seal {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&self.0.finalize().as_bytes()[..BYTES]);
        Seal(bytes)
    }
}
