//! Faults strike.

use crate::{
    fault::Fault,
    stream::Way,
    world::{Event, Place, World},
};

impl World {
    /// A fault of a kind strikes, and will again.
    pub(crate) fn strike_again(&mut self, fault: Fault) {
        if !self.stormy {
            return;
        }
        if let Some(lasts) = self.strike(fault) {
            self.tally.count(fault);
            self.checks.disturbed(self.agenda.now() + lasts);
        }
        let gap = self.climate.gaps.get(&fault).copied().unwrap_or(60_000);
        let wait = self.dice.around(gap);
        self.later(wait, Event::Strike(fault));
    }

    /// Strikes if it can, and says for how long, in milliseconds.
    fn strike(&mut self, fault: Fault) -> Option<u64> {
        let worker = self.dice.below(self.workers.len() as u64) as usize;
        match fault {
            Fault::WorkerKill | Fault::WorkerPower => {
                self.workers[worker].process.as_ref()?;
                self.end_worker(worker, fault == Fault::WorkerPower);
                Some(30_000)
            }
            Fault::WorkerFreeze => self.freeze_worker(worker),
            Fault::TrainerKill | Fault::TrainerHang => {
                let slots = self.workers[worker].process.as_ref()?.slots.len() as u64;
                let slot = self.dice.below(slots) as usize;
                let hurt = self.hurt_trainer(worker, slot, fault == Fault::TrainerHang);
                self.settle(worker);
                hurt.then_some(80_000)
            }
            Fault::Reset => self.reset(worker).then_some(5_000),
            Fault::Partition => self.part(worker, &[Way::Up, Way::Down]),
            Fault::OneWay => {
                let way = self.dice.pick(&[Way::Up, Way::Down]);
                self.part(worker, &[way])
            }
            Fault::Flapping => {
                self.flap(worker, 6);
                Some(80_000)
            }
            Fault::Loss => {
                self.losses += 1;
                let lasts = self.dice.between((1_000, 30_000));
                self.later(lasts, Event::LossEnds);
                Some(lasts)
            }
            Fault::CoordinatorKill | Fault::CoordinatorPower | Fault::ClockJump => {
                self.fell_coordinator(fault)
            }
            Fault::CoordinatorFreeze => self.freeze_coordinator(),
            Fault::CommitError | Fault::CommitThenError | Fault::CommitDelay => {
                (self.coordinator.fault.is_none()).then(|| self.coordinator.fault = Some(fault))?;
                Some(10_000)
            }
            Fault::DiskFull => {
                self.coordinator.full += 1;
                let lasts = self.dice.between((200, 60_000));
                self.later(lasts, Event::SpaceReturns);
                Some(lasts + 10_000)
            }
            Fault::Damage => {
                let study = self.coordinator.objects.damage(&mut self.dice)?;
                self.checks.damaged(study);
                Some(0)
            }
            Fault::Restore => {
                // A backup now, and what is done from here on is lost later; or now what was done since the last one.
                if self.dice.chance(500) || !self.restore_backup() {
                    self.back_up();
                    return None;
                }
                let lasts = self.dice.pick(&[300, 2_000, 10_000, 70_000]);
                self.later(lasts, Event::CoordinatorStart);
                Some(lasts + 10_000)
            }
            Fault::Drain => {
                self.drain_worker(worker);
                Some(60_000)
            }
            Fault::Pause => self.pause_some().then_some(70_000),
            Fault::Stop => self.stop_some().then_some(0),
            // They strike by chance, upload by upload and download by download.
            Fault::HalfUpload | Fault::BitFlip => None,
        }
    }

    fn freeze_worker(&mut self, index: usize) -> Option<u64> {
        let worker = &mut self.workers[index];
        if worker.process.is_none() || std::mem::replace(&mut worker.frozen, true) {
            return None;
        }
        let lasts = self.dice.between((500, 90_000));
        self.later(lasts, Event::WorkerThaw(index));
        for number in self.streams_of(index) {
            self.look_after(number, Place::Coordinator);
        }
        Some(lasts + 10_000)
    }

    fn freeze_coordinator(&mut self) -> Option<u64> {
        self.coordinator.process.as_ref()?;
        if std::mem::replace(&mut self.coordinator.frozen, true) {
            return None;
        }
        let lasts = self.dice.between((500, 90_000));
        self.later(lasts, Event::CoordinatorThaw);
        for number in self.streams.keys().copied().collect::<Vec<_>>() {
            self.look_after(number, Place::Worker);
        }
        Some(lasts + 10_000)
    }

    fn fell_coordinator(&mut self, fault: Fault) -> Option<u64> {
        self.coordinator.process.as_ref()?;
        self.kill_coordinator(fault == Fault::CoordinatorPower);
        if fault == Fault::ClockJump {
            self.jump_date();
        }
        let lasts = self.dice.pick(&[300, 2_000, 10_000, 70_000]);
        self.later(lasts, Event::CoordinatorStart);
        Some(lasts + 10_000)
    }

    fn part(&mut self, worker: usize, ways: &[Way]) -> Option<u64> {
        let lasts = self.dice.between((500, 100_000));
        for way in ways {
            self.cut(worker, *way);
            self.later(lasts, Event::Mend(worker, *way));
        }
        Some(lasts + 10_000)
    }

    /// The storm is over: whatever is stopped or cut off is put right, and nothing more goes wrong.
    pub(crate) fn calm(&mut self) {
        self.stormy = false;
        self.coordinator.fault = None;
        self.coordinator.full = 0;
        self.thaw_coordinator();
        for worker in 0..self.workers.len() {
            self.thaw_worker(worker);
            for way in [Way::Up, Way::Down] {
                self.workers[worker].cuts[way as usize] = 1;
                self.mend(worker, way);
            }
        }
        self.checks.disturbed(self.agenda.now() + 80_000);
    }
}
