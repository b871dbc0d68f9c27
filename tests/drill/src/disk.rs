//! The coordinator's store: logs in memory, of which a part is synced.

use std::collections::BTreeMap;

use common::{
    ids::{StudyId, StudyName},
    time::Timestamp,
    view::StudyPhase,
};
use coordinator::store::{Commit, Store, StoreError, StoredData, StoredStudy, restored};
use scheduler::Event;

/// A store that survives the coordinator's process, and of it what is synced survives a loss of power.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    written: Studies,
    synced: Studies,
}

/// All studies in the order in which they were created.
#[derive(Debug, Clone, Default)]
struct Studies {
    order: Vec<StudyId>,
    studies: BTreeMap<StudyId, Stored>,
}

#[derive(Debug, Clone)]
struct Stored {
    name: StudyName,
    log: Vec<Event>,
    finished: bool,
}

impl Disk {
    /// What was not synced is gone.
    pub(crate) fn lose_power(&mut self) {
        self.written = self.synced.clone();
    }

    /// Takes up what was restored from a backup.
    pub(crate) fn take_up(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let goes_on = |(_, stored): &(&StudyId, &Stored)| !stored.finished;
        let studies = self.written.studies.iter().filter(goes_on);
        let event = |(id, stored): (&StudyId, &Stored)| {
            (id.clone(), stored.log.len() as u64, restored(&stored.log, now))
        };
        let events = studies.map(event).collect();
        self.commit(&Commit { events, ..Commit::default() })
    }

    /// Every study's log.
    pub(crate) fn logs(&self) -> BTreeMap<StudyId, Vec<Event>> {
        let logs = self.written.studies.iter();
        logs.map(|(id, stored)| (id.clone(), stored.log.clone())).collect()
    }

    /// How long a study's log is; none where there is no such study.
    pub(crate) fn length(&self, study: &StudyId) -> Option<usize> {
        self.written.studies.get(study).map(|stored| stored.log.len())
    }
}

impl Studies {
    fn write(&mut self, commit: &Commit) -> Result<(), StoreError> {
        for (study, spec) in &commit.created {
            let stored = Stored { name: spec.name.clone(), log: Vec::new(), finished: false };
            if self.studies.insert(study.clone(), stored).is_some() {
                return Err(unreadable("a study is created twice", study));
            }
            self.order.push(study.clone());
        }
        for (study, sequence, event) in &commit.events {
            let stored = self.studies.get_mut(study).ok_or_else(|| unreadable("no such study", study))?;
            if stored.log.len() as u64 != *sequence {
                return Err(unreadable("an event is out of place", study));
            }
            stored.log.push(event.clone());
        }
        for view in &commit.studies {
            if let Some(stored) = self.studies.get_mut(&view.id) {
                stored.finished = view.phase == StudyPhase::Finished;
            }
        }
        for study in &commit.deleted {
            self.studies.remove(study);
            self.order.retain(|other| other != study);
        }
        Ok(())
    }
}

fn unreadable(reason: &str, study: &StudyId) -> StoreError {
    StoreError::Unreadable { what: format!("study {study}"), reason: reason.to_owned() }
}

impl Store for Disk {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.written.write(commit)?;
        self.synced.write(commit)
    }

    fn load(&mut self) -> Result<Vec<StoredStudy>, StoreError> {
        let stored = |id: &StudyId| {
            let study = self.written.studies.get(id)?;
            let log = if study.finished { Vec::new() } else { study.log.clone() };
            Some(StoredStudy { id: id.clone(), name: study.name.clone(), log })
        };
        Ok(self.written.order.iter().filter_map(stored).collect())
    }

    fn log(&mut self, study: &StudyId) -> Result<Vec<Event>, StoreError> {
        Ok(self.written.studies.get(study).map(|stored| stored.log.clone()).unwrap_or_default())
    }

    fn data(&mut self) -> Result<StoredData, StoreError> {
        Ok(StoredData::default())
    }
}
