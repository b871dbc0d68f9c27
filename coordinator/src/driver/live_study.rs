//! An unfinished study in memory: its state, its place in its log, and the row that readers see.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    ids::{Attempt, StudyId, TrialNumber},
    study::StudySpec,
    time::Timestamp,
    view::{Leader, LeaseId, StudyPhase, StudyView, TrialView},
};
use scheduler::{Best, Event, Input, Lease, Refusal, ReplayError, Study, Trial, Work};

use crate::{blobs::ObjectKey, store::Commit};

/// How long slots are kept free for a study whose last results are being stored. A store may be full until other work is done.
const KEPT: Duration = Duration::from_secs(60);

/// A study that takes inputs.
#[derive(Debug)]
pub(super) struct LiveStudy {
    id: StudyId,
    study: Study,
    /// Events so far, which is the next event's place in the log.
    sequence: u64,
    /// Trials whose rows are out of date.
    changed: BTreeSet<TrialNumber>,
    /// Leases whose last epoch is trained: what they came to is being stored.
    storing: BTreeMap<TrialNumber, Attempt>,
    /// Since when nothing is left but what follows them, and whether that is too long ago to keep slots for it.
    waits: Option<(Timestamp, bool)>,
}

impl LiveStudy {
    /// Begins a study: adds its first events to the commit.
    pub(super) fn create(
        id: StudyId,
        spec: StudySpec,
        now: Timestamp,
        commit: &mut Commit,
    ) -> Result<Self, ReplayError> {
        commit.created.push((id.clone(), spec.clone()));
        let events = Study::create(spec, now);
        let mut live = Self::replay(id, &events)?;
        live.sequence = 0;
        live.record(&events, commit);
        Ok(live)
    }

    /// The study that a log says.
    pub(super) fn replay(id: StudyId, log: &[Event]) -> Result<Self, ReplayError> {
        let study = Study::replay(log)?;
        let (changed, storing) = (BTreeSet::new(), BTreeMap::new());
        Ok(Self { id, study, sequence: log.len() as u64, changed, storing, waits: None })
    }

    /// Its identity.
    pub(super) fn id(&self) -> &StudyId {
        &self.id
    }

    /// Its state.
    pub(super) fn study(&self) -> &Study {
        &self.study
    }

    /// Takes an input: decides, applies, and adds the events to the commit. A refused input changes nothing.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        input: &Input,
        commit: &mut Commit,
    ) -> Result<Vec<Event>, Refusal> {
        let events = self.study.step(now, input)?;
        self.record(&events, commit);
        Ok(events)
    }

    /// Adds events that have been applied to the commit.
    pub(super) fn record(&mut self, events: &[Event], commit: &mut Commit) {
        for event in events {
            commit.events.push((self.id.clone(), self.sequence, event.clone()));
            self.sequence += 1;
            if let Some(trial) = event.trial() {
                self.changed.insert(trial);
                self.forget_stored(trial);
            }
        }
    }

    /// Notes that a lease has trained an epoch. After its last one the slot is free, though the lease goes on until its result is
    /// stored.
    pub(super) fn trained(&mut self, lease: &LeaseId, epoch: u32) {
        let held = self.study.lease(lease.trial).map(|held| held.work);
        if matches!(held, Some(Work::Train { to_epoch, .. }) if to_epoch == epoch) {
            self.storing.insert(lease.trial, lease.attempt);
        }
    }

    /// Forgets that a trial's lease is being stored, if it is over.
    fn forget_stored(&mut self, trial: TrialNumber) {
        let current = self.study.lease(trial).map(|held| held.attempt);
        if self.storing.get(&trial).is_some_and(|stored| Some(*stored) != current) {
            self.storing.remove(&trial);
        }
    }

    /// Notes since when all that is left of the study, its evaluation at least, follows results that are being stored.
    pub(super) fn note_waiting(&mut self, now: Timestamp) {
        let study = &self.study;
        let stored = |(trial, lease): (TrialNumber, &Lease)| self.storing.get(&trial) == Some(&lease.attempt);
        let waits = study.lease_count() > 0
            && study.lease_count() == self.storing.len()
            && study.phase() == StudyPhase::Running
            && study.leasable() == 0
            && study.leases().all(stored);
        let since = self.waits.map_or(now, |(since, _)| since);
        self.waits = waits.then_some((since, now.since(since) >= KEPT));
    }

    /// Whether a worker that stores its results keeps a slot free for what follows.
    pub(super) fn keeps_slot(&self) -> bool {
        matches!(self.waits, Some((_, false)))
    }

    /// When no slot is kept for it any more, where one is.
    pub(super) fn kept_until(&self) -> Option<Timestamp> {
        self.waits.filter(|(_, over)| !over).map(|(since, _)| since + KEPT)
    }

    /// Adds the rows of what has changed to the commit and returns the study's.
    pub(super) fn project(&mut self, now: Timestamp, commit: &mut Commit) -> StudyView {
        for number in std::mem::take(&mut self.changed) {
            let Some(trial) = self.study.trial(number) else { continue };
            commit.trials.push((self.id.clone(), trial_view(trial)));
        }
        let view = self.view(now);
        commit.studies.push(view.clone());
        view
    }

    /// The study's row.
    pub(super) fn view(&self, now: Timestamp) -> StudyView {
        let spec = self.study.spec();
        let leader = |best: &Best| Leader {
            trial: best.trial,
            value: best.value,
            epochs: best.epochs,
            checkpoint: best.checkpoint,
        };
        StudyView {
            id: self.id.clone(),
            name: spec.name.clone(),
            phase: self.study.phase(),
            complete: self.study.complete().unwrap_or(false),
            end_reason: self.study.ended(),
            metric: spec.objective.metric,
            goal: spec.objective.goal(),
            trials: self.study.plan().configs(),
            states: self.study.states(),
            epochs: self.study.trained_epochs(),
            planned_epochs: self.study.planned_epochs(),
            best: self.study.best_result().map(leader),
            created: self.study.created(),
            finished: self.study.finished(),
            leases: self.study.lease_count() as u32,
            active_ms: self.study.active(now).as_millis() as u64,
            test: self.study.best().and_then(Trial::test),
            test_touches: self.study.test_touches(),
        }
    }

    /// A trial's current lease, as workers name it.
    pub(super) fn lease_id(&self, trial: TrialNumber) -> Option<LeaseId> {
        let attempt = self.study.lease(trial)?.attempt;
        Some(LeaseId { study: self.id.clone(), trial, attempt })
    }
}

/// What a log comes to: the state, and the rows that readers should see.
#[derive(Debug)]
pub(crate) struct Projection {
    /// The state.
    pub(crate) study: Study,
    /// The study's row, as it is at some time.
    pub(crate) view: StudyView,
    /// The rows of all trials that have started.
    pub(crate) trials: Vec<TrialView>,
}

impl Projection {
    /// The fold of a log.
    pub(crate) fn of(id: &StudyId, log: &[Event], now: Timestamp) -> Result<Self, ReplayError> {
        let live = LiveStudy::replay(id.clone(), log)?;
        let (view, trials) = (live.view(now), live.study.trials().map(trial_view).collect());
        Ok(Self { study: live.study, view, trials })
    }

    /// All objects that somebody may ask for.
    pub(crate) fn objects(&self) -> Vec<ObjectKey> {
        let of_trial = |trial: &Trial| {
            let checkpoints = self.study.kept(trial.number);
            let mut keys: Vec<_> = checkpoints
                .iter()
                .flat_map(|checkpoint| ObjectKey::of_checkpoint(&self.view.id, trial.number, checkpoint))
                .collect();
            if let Some(evaluation) = &trial.evaluation {
                keys.extend(ObjectKey::of_evaluation(&self.view.id, trial.number, evaluation));
            }
            keys
        };
        self.study.trials().flat_map(of_trial).collect()
    }
}

fn trial_view(trial: &Trial) -> TrialView {
    TrialView {
        trial: trial.number,
        bracket: trial.bracket,
        rung: trial.rung,
        epochs: trial.epochs,
        state: trial.state,
        value: trial.value.filter(|value| value.is_finite()),
        hparams: trial.hparams.clone(),
        seed: trial.seed,
        worker: trial.worker.clone(),
        attempts: trial.leases,
        checkpoint: trial.checkpoint,
        early_stopped: trial.early_stopped,
        failure: trial.failure.clone(),
        evaluation: trial.evaluation,
    }
}
