//! What must hold after everything that happens; `docs/reliability.md` names the invariants.

mod ledger;
mod liveness;

use std::collections::{BTreeMap, BTreeSet};

use common::{
    ids::{Attempt, StudyId, TrialNumber, WorkerId},
    view::{LeaseId, StudyPhase},
};
use coordinator::{
    driver::{Happened, Report},
    store::Commit,
};
use scheduler::{Event, Study, Work};

use self::{ledger::Ledger, liveness::Idle};
use crate::{clients::stem, cluster::coordinator::Coordinator, objects::Objects};

/// How often a trial's trainer may be made to fail: a third time would end the trial.
const FAILURES: u32 = 2;

/// What was stored so far, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    violations: Vec<String>,
    ledgers: BTreeMap<StudyId, Ledger>,
    /// The highest attempt that was given for each trial, lost logs included.
    given: BTreeMap<(StudyId, TrialNumber), Attempt>,
    deleted: BTreeSet<StudyId>,
    damaged: BTreeSet<StudyId>,
    /// Trainers that were made to fail, by trial.
    failures: BTreeMap<(StudyId, TrialNumber), u32>,
    /// When the coordinator last had a word of each worker.
    heard: BTreeMap<WorkerId, u64>,
    /// When the coordinator itself was last away.
    forgiven: u64,
    /// When the last fault ends.
    quiet: u64,
    /// When something was last stored.
    progress: u64,
    idle: Idle,
}

impl Checks {
    /// Notes that something is wrong.
    pub(crate) fn fail(&mut self, flaw: String) {
        self.violations.push(flaw);
    }

    /// Whether something is wrong.
    pub(crate) fn failed(&self) -> bool {
        !self.violations.is_empty()
    }

    /// What is wrong.
    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// A commit is stored.
    pub(crate) fn committed(&mut self, now: u64, commit: &Commit, objects: &Objects) {
        for (study, spec) in &commit.created {
            let twin = self.ledgers.values().filter_map(Ledger::study).find(|other| {
                stem(&other.spec().name) == stem(&spec.name) && other.phase() != StudyPhase::Finished
            });
            if let Some(twin) = twin {
                let flaw = format!("I4: {study} is submitted although {} goes on", twin.spec().name);
                self.violations.push(flaw);
            }
        }
        let mut touched = BTreeSet::new();
        for (study, sequence, event) in &commit.events {
            let ledger = self.ledgers.entry(study.clone()).or_default();
            let damaged = self.damaged.contains(study);
            self.violations.extend(ledger.take(*sequence, event, (study, objects, damaged)).err());
            if let Event::Granted { trial, attempt, .. } = event {
                let before = self.given.insert((study.clone(), *trial), *attempt);
                if before.is_some_and(|before| before >= *attempt) {
                    self.violations
                        .push(format!("I2: trial {trial} of study {study} has attempt {attempt} again"));
                }
            }
            touched.insert(study);
        }
        for study in touched {
            if let Some(ledger) = self.ledgers.get_mut(study) {
                self.violations.extend(ledger.flaws());
                self.violations.extend(ledger.lacks(study, objects));
            }
        }
        for study in &commit.deleted {
            self.ledgers.remove(study);
        }
        if !commit.events.is_empty() || !commit.curves.is_empty() {
            self.progress = now;
        }
    }

    /// I6: the machine's studies are the folds of what is stored.
    pub(crate) fn stands(&mut self, coordinator: &Coordinator) {
        let Some(process) = &coordinator.process else { return };
        let live: BTreeMap<_, _> = process.machine.studies().collect();
        let mut flaws = Vec::new();
        for (id, ledger) in &self.ledgers {
            let finished = ledger.phase() == StudyPhase::Finished;
            match live.get(id) {
                None if finished => {}
                None => flaws.push(format!("I6: study {id} is stored, and the machine does not know it")),
                Some(live) if ledger.study() == Some(*live) => {}
                Some(_) => flaws.push(format!("I6: study {id} is not the fold of its log")),
            }
        }
        let unknown = live.keys().filter(|id| !self.ledgers.contains_key(**id));
        flaws.extend(unknown.map(|id| format!("I6: study {id} is known to the machine, and not stored")));
        self.violations.extend(flaws);
    }

    /// Another coordinator begins with what a backup has: whatever was stored since then is to be done again.
    pub(crate) fn restored(&mut self, logs: BTreeMap<StudyId, Vec<Event>>, objects: &Objects) {
        self.ledgers.clear();
        for (id, log) in logs {
            match Ledger::of(&id, &log) {
                Ok(ledger) => {
                    self.violations.extend(ledger.lacks(&id, objects));
                    self.ledgers.insert(id, ledger);
                }
                Err(flaw) => self.violations.push(format!("after a restore: {flaw}")),
            }
        }
    }

    /// I3: what was stored is there again after a restart.
    pub(crate) fn recovered(&mut self, now: u64, coordinator: &Coordinator) {
        for (id, ledger) in &self.ledgers {
            let found = coordinator.disk.length(id);
            if found != Some(ledger.length()) {
                let flaw = format!("I3: study {id} had {} events, and has {found:?}", ledger.length());
                self.violations.push(flaw);
            }
        }
        self.stands(coordinator);
        self.forgive(now);
    }

    /// I3: what a worker is told to be durable is in the log, or is nobody's any more.
    pub(crate) fn acknowledged(&mut self, reports: &[Report]) {
        for Report { lease, what } in reports {
            let Some(study) = self.ledgers.get(&lease.study).and_then(Ledger::study) else { continue };
            let current = study.lease(lease.trial).filter(|held| held.attempt == lease.attempt);
            let lacking = match what {
                Happened::Epoch(_) => false,
                Happened::Checkpointed(checkpoint) => current.is_some_and(|held| {
                    let durable = study.trial(lease.trial).map_or(0, |trial| trial.durable_epochs());
                    let last =
                        matches!(held.work, Work::Train { to_epoch, .. } if to_epoch <= checkpoint.epoch);
                    durable < checkpoint.epoch && !last
                }),
                _ => current.is_some(),
            };
            if lacking {
                self.violations.push(format!("I3: {lease} is acknowledged, and not in the log: {what:?}"));
            }
        }
    }

    /// I3: a study whose submission was answered is stored.
    pub(crate) fn submitted(&mut self, study: &StudyId) {
        if !self.ledgers.contains_key(study) {
            self.fail(format!("I3: study {study} was submitted, and is not stored"));
        }
    }

    /// I3: a study that was stopped has ended its training.
    pub(crate) fn stopped(&mut self, study: &StudyId) {
        // Somebody else may have paused its evaluation in the same moment.
        let trains = |study: &Study| {
            study.ended().is_none() && study.brackets().iter().any(|bracket| !bracket.has_ended())
        };
        if self.ledgers.get(study).and_then(Ledger::study).is_some_and(trains) {
            self.fail(format!("I3: study {study} was stopped, and goes on"));
        }
    }

    /// I3: a study that was deleted is gone.
    pub(crate) fn deleted(&mut self, study: &StudyId) {
        self.deleted.insert(study.clone());
        if self.ledgers.contains_key(study) {
            self.fail(format!("I3: study {study} was deleted, and is stored"));
        }
    }

    /// A stored object of a study is no longer what it was: its table may be another.
    pub(crate) fn damaged(&mut self, study: StudyId) {
        self.damaged.insert(study);
    }

    /// Whether a trial's trainer may be made to fail once more.
    pub(crate) fn may_fail(&mut self, lease: &LeaseId) -> bool {
        let count = self.failures.entry((lease.study.clone(), lease.trial)).or_default();
        *count += 1;
        *count <= FAILURES
    }

    /// The coordinator was away: nobody can be blamed for silence before now.
    pub(crate) fn forgive(&mut self, now: u64) {
        self.forgiven = now;
    }

    /// The coordinator has a word of a worker.
    pub(crate) fn heard(&mut self, now: u64, worker: &WorkerId) {
        self.heard.insert(worker.clone(), now);
    }

    /// Something is wrong with the cluster until then.
    pub(crate) fn disturbed(&mut self, until: u64) {
        self.quiet = self.quiet.max(until);
    }

    /// Studies that are paused.
    pub(crate) fn paused(&self) -> Vec<StudyId> {
        let paused = self.ledgers.iter().filter(|(_, ledger)| ledger.phase() == StudyPhase::Paused);
        paused.map(|(id, _)| id.clone()).collect()
    }

    /// Whether all stored studies have ended.
    pub(crate) fn all_ended(&self) -> bool {
        self.ledgers.values().all(|ledger| ledger.phase() == StudyPhase::Finished)
    }

    /// The studies that are stored.
    pub(crate) fn ledgers(&self) -> impl Iterator<Item = (&StudyId, &Ledger)> {
        self.ledgers.iter()
    }

    /// Whether a study's table may be another than that of an undisturbed run.
    pub(crate) fn is_damaged(&self, study: &StudyId) -> bool {
        self.damaged.contains(study)
    }
}
