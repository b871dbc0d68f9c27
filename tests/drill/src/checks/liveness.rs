//! What must happen in time: L1 to L5.

use std::collections::BTreeMap;

use common::view::{LeaseId, StudyPhase};

use crate::world::{Event, World};

/// How often somebody looks, in milliseconds.
const LOOK: u64 = 1_000;
/// How much later than promised something may be seen.
const GRACE: u64 = 10_000;
/// Longest time that a device may be busy with a lease that is over, while its worker is connected: the ten seconds of
/// L3, after the news has travelled.
const BUSY: u64 = 10_000 + 2 * GRACE;
/// Longest time that a connected worker may have nothing to do although there is work.
const WAIT: u64 = 30_000;

/// Since when something is as it should not stay.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    /// Slots that are busy with leases that are over, of connected workers and of others.
    busy: BTreeMap<(usize, usize), (LeaseId, u64, u64)>,
    /// Workers that have nothing to do.
    workers: BTreeMap<usize, u64>,
}

impl World {
    /// Somebody looks whether all is well.
    pub(crate) fn look(&mut self) {
        self.later(LOOK, Event::Look);
        self.sweep_streams();
        if !self.stormy {
            self.resume_all();
        }
        let process = self.coordinator.process.as_ref();
        let commits = process.is_some_and(|process| process.trouble.is_none());
        let serves = commits && !self.coordinator.frozen && self.coordinator.full == 0;
        if !serves {
            self.checks.forgive(self.agenda.now());
        }
        self.look_at_holders();
        self.look_at_devices(serves);
        self.look_at_idle_workers(serves);
        self.look_at_progress();
    }

    /// L1: no lease outlives its holder's last word by more than its term and a little.
    fn look_at_holders(&mut self) {
        let (now, checks) = (self.agenda.now(), &self.checks);
        let term = self.climate.lease.as_millis() as u64 + GRACE;
        let Some(process) = &self.coordinator.process else { return };
        let mut flaw = None;
        for (id, study) in process.machine.studies() {
            for (trial, lease) in study.leases() {
                let heard = checks.heard.get(&lease.worker).copied().unwrap_or(0).max(checks.forgiven);
                if now.saturating_sub(heard) > term {
                    flaw = Some(format!(
                        "L1: trial {trial} of study {id} is leased to {}, silent for {} ms",
                        lease.worker,
                        now - heard
                    ));
                }
            }
        }
        self.checks.violations.extend(flaw);
    }

    /// L3: no device works on a lease that is over, beyond the time it takes to say so.
    fn look_at_devices(&mut self, serves: bool) {
        let (now, lease) = (self.agenda.now(), self.climate.lease.as_millis() as u64);
        let mut busy = BTreeMap::new();
        for (index, worker) in self.workers.iter().enumerate() {
            let Some(process) = worker.process.as_ref().filter(|_| !worker.frozen) else { continue };
            let connected = serves && worker.welcomed().is_some_and(|stream| self.passes(stream));
            for (number, slot) in process.slots.iter().enumerate() {
                let Some(work) = slot.work.as_ref().filter(|work| self.is_over_for(&work.lease)) else {
                    continue;
                };
                let before = self.checks.idle.busy.get(&(index, number));
                let before = before.filter(|(lease, ..)| *lease == work.lease);
                let (since, connected_since) = before.map_or((now, now), |(_, all, some)| (*all, *some));
                let connected_since = if connected { connected_since } else { now };
                busy.insert((index, number), (work.lease.clone(), since, connected_since));
            }
        }
        let late = |(_, since, connected): &(LeaseId, u64, u64)| {
            now - connected > BUSY || now - since > lease + 3 * BUSY + 20_000
        };
        if let Some(((worker, slot), (lease, ..))) = busy.iter().find(|(_, busy)| late(busy)) {
            self.checks.violations.push(format!("L3: slot {slot} of w{worker} is still busy with {lease}"));
        }
        self.checks.idle.busy = busy;
    }

    fn is_over_for(&self, lease: &LeaseId) -> bool {
        let study = self.checks.ledgers.get(&lease.study).and_then(|ledger| ledger.study());
        let held = study.and_then(|study| study.lease(lease.trial));
        held.is_none_or(|held| held.attempt != lease.attempt)
    }

    /// L4: no connected worker waits for ever while there is work.
    fn look_at_idle_workers(&mut self, serves: bool) {
        let now = self.agenda.now();
        let Some(process) = &self.coordinator.process else { return };
        let work = process.machine.studies().any(|(_, study)| study.leasable() > 0);
        let mut idle = BTreeMap::new();
        for (index, worker) in self.workers.iter().enumerate() {
            let Some(process) = &worker.process else { continue };
            let connected = worker.welcomed().is_some_and(|stream| self.passes(stream));
            let free = process.session.held() == 0 && process.slots.iter().all(|slot| slot.is_idle());
            if serves && work && connected && free && now.saturating_sub(self.checks.forgiven) > WAIT {
                let since = self.checks.idle.workers.get(&index).copied().unwrap_or(now);
                idle.insert(index, since);
            }
        }
        if let Some((index, since)) = idle.iter().find(|(_, since)| now - **since > WAIT + GRACE) {
            let flaw = format!("L4: w{index} has had nothing to do since {since} ms, and there is work");
            self.checks.violations.push(flaw);
        }
        self.checks.idle.workers = idle;
    }

    /// L5: once nothing is wrong any more, something is stored within two leases.
    fn look_at_progress(&mut self) {
        let now = self.agenda.now();
        let unfinished = |phase| matches!(phase, StudyPhase::Running | StudyPhase::Evaluating);
        let waits = self.checks.ledgers.values().any(|ledger| unfinished(ledger.phase()));
        if !waits {
            self.checks.progress = now;
        }
        let since = self.checks.progress.max(self.checks.quiet).max(self.checks.forgiven);
        let limit = 2 * self.climate.lease.as_millis() as u64 + 2 * GRACE;
        if now.saturating_sub(since) > limit {
            self.checks.violations.push(format!("L5: nothing was stored for {} ms", now - since));
        }
    }
}
