//! Backups, and a coordinator that begins again from one.

use common::time::Timestamp;

use super::BEGINNING;
use crate::{disk::Disk, objects::Objects, world::World};

/// A store and its objects at one moment.
#[derive(Debug)]
pub(super) struct Backup {
    disk: Disk,
    objects: Objects,
}

impl World {
    /// Somebody makes a backup; false where an object is damaged, so that there is none.
    pub(crate) fn back_up(&mut self) -> bool {
        let whole = self.coordinator.objects.are_whole();
        if whole {
            let (disk, objects) = (self.coordinator.disk.clone(), self.coordinator.objects.clone());
            self.coordinator.backup = Some(Backup { disk, objects });
        }
        whole
    }

    /// The coordinator's machine is lost, and another begins with the latest backup; false where there is none.
    pub(crate) fn restore_backup(&mut self) -> bool {
        let Some(Backup { disk, objects }) = &self.coordinator.backup else { return false };
        let (disk, objects) = (disk.clone(), objects.clone());
        self.kill_coordinator(true);
        (self.coordinator.disk, self.coordinator.objects) = (disk, objects);
        // What is promised of attempts needs a date that is not behind those of the coordinators before.
        self.coordinator.skew = self.coordinator.furthest;
        let date = Timestamp(BEGINNING + self.coordinator.skew + self.now());
        if let Err(error) = self.coordinator.disk.take_up(date) {
            self.checks.fail(format!("the backup is not taken up: {error}"));
        }
        let logs = self.coordinator.disk.logs();
        self.clients.restored(|study| logs.contains_key(study));
        self.checks.restored(logs, &self.coordinator.objects);
        for intent in self.clients.open() {
            self.ask(intent);
        }
        true
    }
}
