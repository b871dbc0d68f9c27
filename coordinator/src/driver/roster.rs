//! Who is there, and which leases they hold: the only place that knows liveness.
//!
//! A worker lives by its messages, and its leases live with it. Silence ends them after the lease's term; a closed
//! stream ends them sooner, unless the worker is back within [`RECONNECT`]. Before they end, whoever looks listens once
//! more ([`HEAR_OUT`]): what the worker said may lie unread.

mod rivals;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    equipment::Lack,
    ids::WorkerId,
    study::StudySpec,
    time::Timestamp,
    view::{LeaseId, WorkerView},
};

use self::rivals::{Claim, Rivals};
use super::{Hello, Holder, NotTaken, SessionId};

/// How long a worker whose stream closed has to open another.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long a worker that was seen to be overdue is still listened to. If this process was stopped, or had no core, then
/// messages of live workers wait in its sockets, and arrive within this time.
pub(super) const HEAR_OUT: Duration = Duration::from_millis(100);

/// How many signs of life fit into a lease.
const HEARTBEATS: u32 = 6;

/// After how many heartbeats without one another process may take over a worker's id.
const MISSED: u32 = 2;

/// All workers that are connected or hold leases.
#[derive(Debug, Default)]
pub(super) struct Roster {
    term: Duration,
    members: BTreeMap<WorkerId, Member>,
    sessions: BTreeMap<SessionId, WorkerId>,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Member {
    /// Its open stream; none while it is away.
    pub session: Option<SessionId>,
    /// Its leases.
    pub leases: BTreeSet<LeaseId>,
    /// Studies that it has been told of on this stream.
    pub told: BTreeSet<common::ids::StudyId>,
    /// Whether it takes no new leases.
    pub draining: bool,
    hello: Option<Hello>,
    free: u32,
    /// Leases granted by its stream.
    granted: u64,
    last_seen: Timestamp,
    away_since: Option<Timestamp>,
    /// When it was first seen to be overdue.
    doubted: Option<Timestamp>,
    /// When its process first came.
    joined: Timestamp,
    rivals: Rivals,
}

impl Member {
    /// Leases that it can take now.
    pub(super) fn capacity(&self) -> u32 {
        if self.session.is_none() || self.draining { 0 } else { self.free }
    }

    /// Whether it has what a study's trials need.
    pub(super) fn can_train(&self, spec: &StudySpec) -> bool {
        self.hello.as_ref().is_some_and(|hello| Lack::of(&hello.device, &hello.data, spec).is_none())
    }

    /// Whether a process that comes by its id may be the worker: always, unless another one is connected and lives.
    fn admit(&mut self, hello: &Hello, now: Timestamp, patience: Duration) -> Result<(), NotTaken> {
        let Some(current) = self.hello.as_ref().filter(|_| self.session.is_some()) else { return Ok(()) };
        if current.incarnation == hello.incarnation {
            return Ok(());
        }
        let holder =
            Holder { worker: current.worker.clone(), host: current.device.host.clone(), since: self.joined };
        match self.rivals.claim(hello.incarnation, now, (self.last_seen, patience)) {
            Claim::Granted => Ok(()),
            Claim::Open => Err(NotTaken::Unsure(holder)),
            Claim::Refused => Err(NotTaken::InUse(holder)),
        }
    }

    /// Until when it need not give a sign of life.
    fn due(&self, term: Duration) -> Timestamp {
        let silent = self.last_seen + term;
        self.away_since.map_or(silent, |since| silent.min(since + RECONNECT))
    }

    /// When it must be looked at, unless it gives a sign of life before.
    fn deadline(&self, term: Duration) -> Timestamp {
        self.doubted.map_or_else(|| self.due(term), |since| since + HEAR_OUT)
    }

    /// Whether it is overdue, and has been heard out.
    fn has_expired(&mut self, term: Duration, now: Timestamp) -> bool {
        if self.due(term) > now {
            self.doubted = None;
            return false;
        }
        now >= *self.doubted.get_or_insert(now) + HEAR_OUT
    }
}

impl Roster {
    /// A roster whose leases live for `term` without a sign of life.
    pub(super) fn new(term: Duration) -> Self {
        Self { term, ..Self::default() }
    }

    /// How long a lease lives without a sign of life, and how often a worker should give one.
    pub(super) fn terms(&self) -> (Duration, Duration) {
        (self.term, self.term / HEARTBEATS)
    }

    /// Takes over a lease from the log: its holder has a full term to come back.
    pub(super) fn recover(&mut self, worker: &WorkerId, lease: LeaseId, now: Timestamp) {
        self.member(worker, now).leases.insert(lease);
    }

    /// Adds a lease that has just been granted.
    pub(super) fn granted(&mut self, worker: &WorkerId, lease: LeaseId) {
        if let Some(member) = self.members.get_mut(worker) {
            member.free = member.free.saturating_sub(1);
            member.granted += 1;
            member.leases.insert(lease);
        }
    }

    /// Takes a worker's new stream; returns the older stream of the same worker, which has lost its meaning. Fails, and
    /// changes nothing, while another process is that worker.
    pub(super) fn connected(
        &mut self,
        session: SessionId,
        hello: Hello,
        now: Timestamp,
    ) -> Result<Option<SessionId>, NotTaken> {
        let patience = self.terms().1 * MISSED;
        let worker = hello.worker.clone();
        let member = self.member(&worker, now);
        member.admit(&hello, now, patience)?;
        let older = member.session.replace(session);
        if member.hello.as_ref().is_none_or(|old| old.incarnation != hello.incarnation) {
            (member.draining, member.joined) = (false, now);
        }
        (member.away_since, member.doubted) = (None, None);
        member.last_seen = now;
        member.told.clear();
        (member.free, member.granted) = (0, 0);
        member.hello = Some(hello);
        if let Some(older) = older {
            self.sessions.remove(&older);
        }
        self.sessions.insert(session, worker);
        Ok(older)
    }

    /// Notes that a stream has ended.
    pub(super) fn disconnected(&mut self, session: SessionId, now: Timestamp) {
        let Some(worker) = self.sessions.remove(&session) else { return };
        let Some(member) = self.members.get_mut(&worker) else { return };
        member.session = None;
        (member.away_since, member.doubted) = (Some(now), None);
        // One that was asked to leave may not have heard, and is asked again when it comes back in time.
        if member.leases.is_empty() && !member.draining {
            self.members.remove(&worker);
        }
    }

    /// Notes a sign of life on a stream; tells whose it is, unless the stream has lost its meaning.
    pub(super) fn seen(&mut self, session: SessionId, now: Timestamp) -> Option<WorkerId> {
        let worker = self.sessions.get(&session)?;
        if let Some(member) = self.members.get_mut(worker) {
            (member.last_seen, member.doubted) = (now, None);
        }
        Some(worker.clone())
    }

    /// Sets how many leases a worker says it can take, after so many had come by its stream: a message of free slots
    /// may have crossed a grant.
    pub(super) fn set_free(&mut self, worker: &WorkerId, free: u32, granted: u64) {
        if let Some(member) = self.members.get_mut(worker) {
            let on_their_way = member.granted.saturating_sub(granted) as u32;
            let slots = member.hello.as_ref().map_or(0, |hello| hello.slots);
            member.free = free.min(slots).saturating_sub(on_their_way);
        }
    }

    /// Removes a lease that has ended; tells who held it.
    pub(super) fn ended(&mut self, worker: &WorkerId, lease: &LeaseId) {
        if let Some(member) = self.members.get_mut(worker) {
            member.leases.remove(lease);
        }
    }

    /// Workers whose leases have expired by now, with those leases; they are taken away. Silent streams come back
    /// to be closed.
    pub(super) fn expire(&mut self, now: Timestamp) -> (Vec<(WorkerId, LeaseId)>, Vec<SessionId>) {
        let term = self.term;
        let mut expired = Vec::new();
        for (worker, member) in &mut self.members {
            if member.has_expired(term, now) {
                expired.push(worker.clone());
            }
        }
        let (mut leases, mut sessions) = (Vec::new(), Vec::new());
        for worker in expired {
            let Some(member) = self.members.remove(&worker) else { continue };
            leases.extend(member.leases.into_iter().map(|lease| (worker.clone(), lease)));
            if let Some(session) = member.session {
                self.sessions.remove(&session);
                sessions.push(session);
            }
        }
        (leases, sessions)
    }

    /// When [`Roster::expire`] is next due.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.members.values().map(|member| member.deadline(self.term)).min()
    }

    /// Gives everybody more time: the coordinator itself was stopped and could not hear them.
    pub(super) fn extend(&mut self, gap: Duration) {
        for member in self.members.values_mut() {
            member.last_seen = member.last_seen + gap;
            member.away_since = member.away_since.map(|since| since + gap);
            member.doubted = None;
            member.rivals.forget();
        }
    }

    /// Workers that can take leases now.
    pub(super) fn idle(&self) -> Vec<WorkerId> {
        self.members.iter().filter(|(_, m)| m.capacity() > 0).map(|(worker, _)| worker.clone()).collect()
    }

    /// Workers beside one that take leases of a study, now or once they have room.
    pub(super) fn others(&self, worker: &WorkerId, spec: &StudySpec) -> BTreeSet<WorkerId> {
        let takes = |(other, member): &(&WorkerId, &Member)| {
            *other != worker && member.session.is_some() && !member.draining && member.can_train(spec)
        };
        self.members.iter().filter(takes).map(|(other, _)| other.clone()).collect()
    }

    /// A worker that is connected or holds leases.
    pub(super) fn get(&self, worker: &WorkerId) -> Option<&Member> {
        self.members.get(worker)
    }

    /// A worker that is connected or holds leases, to be changed.
    pub(super) fn get_mut(&mut self, worker: &WorkerId) -> Option<&mut Member> {
        self.members.get_mut(worker)
    }

    /// All workers with their leases.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&WorkerId, &Member)> {
        self.members.iter()
    }

    /// Connected workers as readers see them.
    pub(super) fn views(&self, now: Timestamp) -> Vec<WorkerView> {
        let connected = self.members.iter().filter(|(_, member)| member.session.is_some());
        connected
            .filter_map(|(worker, member)| {
                let hello = member.hello.as_ref()?;
                Some(WorkerView {
                    worker: worker.clone(),
                    device: hello.device.clone(),
                    slots: hello.slots,
                    leases: member.leases.iter().cloned().collect(),
                    draining: member.draining,
                    silent_ms: now.since(member.last_seen).as_millis() as u64,
                    version: hello.version.clone(),
                    data: hello.data.clone(),
                })
            })
            .collect()
    }

    fn member(&mut self, worker: &WorkerId, now: Timestamp) -> &mut Member {
        self.members.entry(worker.clone()).or_insert_with(|| Member {
            session: None,
            leases: BTreeSet::new(),
            told: BTreeSet::new(),
            draining: false,
            hello: None,
            free: 0,
            granted: 0,
            last_seen: now,
            away_since: None,
            doubted: None,
            joined: now,
            rivals: Rivals::default(),
        })
    }
}
