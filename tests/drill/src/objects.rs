//! The coordinator's objects: whole and synced, or not there.

use std::collections::BTreeMap;

use common::{checkpoint::Digest, ids::StudyId};
use coordinator::blobs::{Found, ObjectKey};

use crate::dice::Dice;

/// Objects by name. They survive whatever happens to the coordinator: one is there when it is synced, not before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects(BTreeMap<ObjectKey, Vec<u8>>);

/// Why an object is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// It is not there.
    Missing,
    /// Its bytes are not those that its name promises.
    Damaged,
}

impl Objects {
    /// Stores an object, if its bytes are those that its name promises.
    pub(crate) fn put(&mut self, key: ObjectKey, bytes: Vec<u8>) -> bool {
        let intact = Digest::of(&bytes) == key.digest;
        if intact {
            self.0.insert(key, bytes);
        }
        intact
    }

    /// Reads an object and checks it.
    pub(crate) fn get(&self, key: &ObjectKey) -> Result<Vec<u8>, Lacking> {
        let bytes = self.0.get(key).ok_or(Lacking::Missing)?;
        if Digest::of(bytes) == key.digest { Ok(bytes.clone()) } else { Err(Lacking::Damaged) }
    }

    /// Whether an object is there.
    pub(crate) fn holds(&self, key: &ObjectKey) -> bool {
        self.0.contains_key(key)
    }

    /// Whether all bytes are those that their names promise.
    pub(crate) fn are_whole(&self) -> bool {
        self.0.iter().all(|(key, bytes)| Digest::of(bytes) == key.digest)
    }

    /// All objects, as a list of the store shows them.
    pub(crate) fn found(&self) -> Vec<Found> {
        // All of a study that is not there are deleted with it, so when one was written decides nothing here.
        let found = |(key, bytes): (&ObjectKey, &Vec<u8>)| Found {
            key: key.clone(),
            size: bytes.len() as u64,
            written_ms: i64::MAX,
        };
        self.0.iter().map(found).collect()
    }

    /// Deletes an object.
    pub(crate) fn delete(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }

    /// Deletes the objects of a study.
    pub(crate) fn delete_study(&mut self, study: &StudyId) {
        self.0.retain(|key, _| key.study != *study);
    }

    /// Flips a bit of some object; its study, if there is an object at all.
    pub(crate) fn damage(&mut self, dice: &mut Dice) -> Option<StudyId> {
        let at = dice.below(self.0.len() as u64) as usize;
        let (key, bytes) = self.0.iter_mut().nth(at)?;
        let byte = dice.below(bytes.len() as u64) as usize;
        bytes[byte] ^= 1 << dice.below(8);
        Some(key.study.clone())
    }
}
