//! The driver's state and what it does with each group of inputs.

mod garbage;

mod grants;

mod hold;

mod holders;

mod reports;

mod requests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    ids::{StudyId, StudyName, WorkerId},
    time::Timestamp,
    view::{LeaseId, StudyPhase},
};
use object_store::path::Path as StorePath;
use scheduler::{Event, Input as StudyInput, ReplayError, Study};

use super::{
    Effect, Group, Input, SessionId, ToWorker,
    data_sets::DataSets,
    live_study::LiveStudy,
    roster::{HEAR_OUT, Roster},
    stored_weights::StoredWeights,
};
use crate::{
    blobs,
    store::{StoredData, StoredStudy},
};

/// All unfinished studies and all workers.
///
/// What workers say is in `reports`, what people ask in `requests`, what is given out in `grants`, whose it is in
/// `holders`.
///
/// Deterministic: equal inputs at equal times give equal groups.
#[derive(Debug)]
pub struct Machine {
    studies: BTreeMap<StudyId, LiveStudy>,
    /// Names of all studies, finished ones included.
    names: BTreeMap<StudyName, StudyId>,
    roster: Roster,
    data_sets: DataSets,
    weights: StoredWeights,
    /// When the last group was handled, and the deadline that was known then.
    last: Option<(Timestamp, Option<Timestamp>)>,
}

impl Machine {
    /// The state that a store says. Every lease in it gets a full term.
    pub fn recover(stored: Vec<StoredStudy>, lease: Duration, now: Timestamp) -> Result<Self, ReplayError> {
        let mut machine = Self {
            studies: BTreeMap::new(),
            names: BTreeMap::new(),
            roster: Roster::new(lease),
            data_sets: DataSets::default(),
            weights: StoredWeights::default(),
            last: None,
        };
        for stored in stored {
            machine.names.insert(stored.name, stored.id.clone());
            if !stored.log.is_empty() {
                machine.restore(stored.id, &stored.log, now)?;
            }
        }
        Ok(machine)
    }

    /// Puts data sets and weights to what a store says: at the start, and after a commit that failed.
    pub fn restore_data(&mut self, mut stored: StoredData) {
        self.weights = StoredWeights::new(std::mem::take(&mut stored.models));
        self.data_sets = DataSets::new(stored);
    }

    /// Where the packed data sets and weights lie that a name means or a study uses.
    pub fn named_objects(&self) -> BTreeSet<StorePath> {
        let begun = self.studies.values().filter_map(|live| live.study().spec().train.initial_object());
        let models = self.weights.objects().chain(begun).map(blobs::model_path);
        self.data_sets.objects().map(blobs::data_path).chain(models).collect()
    }

    /// Puts a study back to what its log says, after a commit that failed.
    pub fn restore(&mut self, id: StudyId, log: &[Event], now: Timestamp) -> Result<(), ReplayError> {
        self.forget(&id);
        if log.is_empty() {
            self.names.retain(|_, named| *named != id);
            return Ok(());
        }
        let live = LiveStudy::replay(id.clone(), log)?;
        self.names.insert(live.study().spec().name.clone(), id.clone());
        for (trial, lease) in live.study().leases() {
            let lease_id = LeaseId { study: id.clone(), trial, attempt: lease.attempt };
            self.roster.recover(&lease.worker, lease_id, now);
        }
        if live.study().phase() != StudyPhase::Finished {
            self.studies.insert(id, live);
        }
        Ok(())
    }

    /// Handles all inputs that are waiting, then what the time asks for, then gives out work.
    pub fn handle(&mut self, now: Timestamp, inputs: Vec<Input>) -> Group {
        let mut group = Group::default();
        self.forgive_own_silence(now);
        for input in inputs {
            self.take(now, input, &mut group);
        }
        self.expire(now, &mut group);
        self.tick(now, &mut group);
        self.revoke_ended(&mut group);
        self.assign(now, &mut group);
        self.project(now, &mut group);
        self.last = Some((now, self.next_deadline()));
        group
    }

    /// The unfinished studies, for whoever checks them.
    pub fn studies(&self) -> impl Iterator<Item = (&StudyId, &Study)> {
        self.studies.iter().map(|(id, live)| (id, live.study()))
    }

    /// When [`Machine::handle`] must be called again even if nothing comes in.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let ticks = self.studies.values().filter_map(|live| live.study().next_deadline());
        let kept = self.studies.values().filter_map(LiveStudy::kept_until);
        ticks.chain(kept).chain(self.roster.next_deadline()).min()
    }

    /// Notes that whoever drives this machine has taken all that was said, and listens from now on. Slow commits before that are
    /// no silence: what is said meanwhile waits, and is taken next.
    pub fn listens(&mut self, now: Timestamp) {
        if let Some((since, _)) = &mut self.last {
            *since = now;
        }
    }

    /// Gives every worker the time for which this process was stopped and could not hear it. Where it was stopped shows only
    /// by a wake-up that came too late; a shorter delay is covered by hearing everybody out.
    fn forgive_own_silence(&mut self, now: Timestamp) {
        let Some((since, Some(deadline))) = self.last else { return };
        if now.since(deadline.max(since)) > HEAR_OUT {
            self.roster.extend(now.since(since));
        }
    }

    /// Notes that streams were closed from this side: their workers have as long to come back as if they had closed them.
    pub fn hung_up(&mut self, now: Timestamp, sessions: &BTreeSet<SessionId>) {
        sessions.iter().for_each(|session| self.roster.disconnected(*session, now));
    }

    fn take(&mut self, now: Timestamp, input: Input, group: &mut Group) {
        match input {
            Input::Connected { session, hello } => self.connect(now, session, hello, group),
            Input::Disconnected { session } => self.roster.disconnected(session, now),
            Input::Credits { session, free, granted } => {
                if let Some(worker) = self.seen(now, session, group) {
                    self.roster.set_free(&worker, free, granted);
                }
            }
            Input::Reports { session, sequence, reports } => {
                let Some(worker) = self.seen(now, session, group) else { return };
                for report in reports {
                    self.report(now, (session, &worker), report, group);
                }
                group.effects.push(Effect::Send(session, ToWorker::Ack(sequence)));
            }
            Input::Heartbeat { session } => {
                self.seen(now, session, group);
            }
            Input::Asked { id, request } => {
                let answer = self.answer(now, (id, request), group);
                group.effects.push(Effect::Answer(id, answer));
            }
        }
    }

    fn expire(&mut self, now: Timestamp, group: &mut Group) {
        let (leases, sessions) = self.roster.expire(now);
        for (worker, lease) in leases {
            self.lose(now, &worker, &lease, group);
        }
        group.effects.extend(sessions.into_iter().map(Effect::Close));
    }

    fn tick(&mut self, now: Timestamp, group: &mut Group) {
        for live in self.studies.values_mut() {
            if live.study().is_tick_due(now)
                && let Err(refusal) = live.step(now, &StudyInput::Tick, &mut group.commit)
            {
                tracing::warn!(study = %live.id(), %refusal, "tick refused");
            }
        }
    }

    /// Takes back leases that a study ended by itself, for example because its time is up, or that ended with a deleted one.
    fn revoke_ended(&mut self, group: &mut Group) {
        if group.commit.events.is_empty() && group.commit.deleted.is_empty() {
            return;
        }
        let mut ended: Vec<(WorkerId, Option<SessionId>, LeaseId)> = Vec::new();
        for (worker, member) in self.roster.iter() {
            let gone = |lease: &&LeaseId| {
                let live = self.studies.get(&lease.study);
                live.and_then(|live| live.lease_id(lease.trial)).as_ref() != Some(*lease)
            };
            ended.extend(
                member
                    .leases
                    .iter()
                    .filter(gone)
                    .map(|lease| (worker.clone(), member.session, lease.clone())),
            );
        }
        for (worker, session, lease) in ended {
            self.roster.ended(&worker, &lease);
            if let Some(session) = session {
                group.effects.push(Effect::Send(session, ToWorker::Revoke(vec![lease])));
            }
        }
    }

    /// Brings the rows of everything that changed into the commit, and takes finished studies out of memory.
    fn project(&mut self, now: Timestamp, group: &mut Group) {
        let changed: BTreeSet<StudyId> =
            group.commit.events.iter().map(|(study, ..)| study.clone()).collect();
        for study in changed {
            let Some(live) = self.studies.get_mut(&study) else { continue };
            let view = live.project(now, &mut group.commit);
            if view.phase == StudyPhase::Finished {
                self.studies.remove(&study);
            }
            group.effects.push(Effect::Publish(view));
        }
    }

    fn forget(&mut self, id: &StudyId) {
        self.studies.remove(id);
        let held: Vec<_> = self
            .roster
            .iter()
            .flat_map(|(worker, member)| member.leases.iter().map(|lease| (worker.clone(), lease.clone())))
            .filter(|(_, lease)| lease.study == *id)
            .collect();
        for (worker, lease) in held {
            self.roster.ended(&worker, &lease);
        }
    }
}
