//! What a supervisor knows and decides, free of clock, network and processes.
//!
//! [`Session`] is a synchronous machine. What happened goes in with the time at which it happened (`opened`, `received`,
//! `lost`, `slot_free`, `reported`, `drain`, `timeout`); what is to be done comes out of `actions`, what is to be sent
//! out of `message`; `deadline` says when to call `timeout` and ask for messages again. It outlives every connection:
//! leases are held, and their reports kept, until the coordinator has them.

pub(crate) mod messages;

mod action;
pub(crate) use action::{Action, Assignment};

mod contact;
pub(crate) use contact::BLIND_SPOT;

mod outbox;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{ids::StudyId, study::StudySpec, view::LeaseId};

use self::{
    contact::Contact,
    messages::{Grant, Identity, Incoming, News, Outgoing, Report, Unusable, Welcome},
    outbox::Outbox,
};

/// Longest time that a drain waits for leases to be handed back.
const DRAIN: Duration = Duration::from_secs(25);

/// The worker's side of a session, over all its connections.
#[derive(Debug)]
pub(crate) struct Session {
    identity: Identity,
    contact: Contact,
    outbox: Outbox,
    /// Studies announced on this stream, or why their file cannot be used.
    studies: BTreeMap<StudyId, Result<Arc<StudySpec>, String>>,
    /// Leases whose end is not durable yet.
    held: BTreeSet<LeaseId>,
    /// Granted, but no slot was free: credits and grants may cross on the wire.
    queue: VecDeque<Assignment>,
    free: BTreeSet<usize>,
    /// Credits that the coordinator knows of on this stream.
    told: Option<u32>,
    /// Whether a sign of life is due.
    beat: bool,
    /// When a drain gives up; set once draining.
    drain: Option<Instant>,
    actions: Vec<Action>,
}

impl Session {
    /// A session of a worker that holds nothing and whose slots are not up yet.
    pub(crate) fn new(now: Instant, identity: Identity) -> Self {
        Self {
            identity,
            contact: Contact::new(now),
            outbox: Outbox::default(),
            studies: BTreeMap::new(),
            held: BTreeSet::new(),
            queue: VecDeque::new(),
            free: BTreeSet::new(),
            told: None,
            beat: false,
            drain: None,
            actions: Vec::new(),
        }
    }

    /// What is to be done, in order; each action is returned once.
    pub(crate) fn actions(&mut self) -> Vec<Action> {
        mem::take(&mut self.actions)
    }

    /// The next message to send, if there is one.
    pub(crate) fn message(&mut self, now: Instant) -> Option<Outgoing> {
        if self.contact.greet() {
            let (identity, held) = (self.identity.clone(), self.held.iter().cloned().collect());
            return Some(Outgoing::Hello { identity, held });
        }
        if !self.contact.is_up() {
            return None;
        }
        let credits = self.credits();
        let beat = mem::take(&mut self.beat);
        // Reports go before credits, so that what they decide is known when the free slot is filled.
        let message = if let Some((sequence, reports)) = self.outbox.next() {
            Outgoing::Reports { sequence, reports }
        } else if self.told != Some(credits) {
            self.told = Some(credits);
            Outgoing::Credits(credits)
        } else if beat {
            Outgoing::Heartbeat
        } else {
            return None;
        };
        self.contact.sent(now);
        Some(message)
    }

    /// When [`timeout`](Self::timeout) is to be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let fence = if self.held.is_empty() { None } else { self.contact.fence_at() };
        [fence, self.contact.heartbeat_at(), self.drain].into_iter().flatten().min()
    }

    /// Whether a drain is over: everything is handed back, or it took too long.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.drain.is_some_and(|limit| self.held.is_empty() || now >= limit)
    }

    /// Leases whose end is not durable yet.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// A stream was opened; Hello is due on it.
    pub(crate) fn opened(&mut self) {
        self.contact.opened();
    }

    /// A message came.
    pub(crate) fn received(&mut self, now: Instant, message: Incoming) {
        self.contact.heard(now);
        match message {
            Incoming::Welcome(welcome) => self.welcomed(now, welcome),
            Incoming::Study { id, spec } => drop(self.studies.insert(id, spec)),
            Incoming::Grants(grants) => self.granted(grants),
            Incoming::Ack(sequence) => self.acked(sequence),
            Incoming::Revoke(leases) => leases.iter().for_each(|lease| self.forget(lease)),
            Incoming::Drain => self.drain(now),
        }
    }

    /// The stream broke.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.contact.lost(now);
    }

    /// A slot's trainer is up and has nothing to do.
    pub(crate) fn slot_free(&mut self, slot: usize) {
        self.free.insert(slot);
        self.dispatch();
    }

    /// A lease has news. News of a lease that is no longer held is dropped.
    pub(crate) fn reported(&mut self, report: Report) {
        if self.held.contains(&report.lease) {
            self.outbox.push(report);
        }
    }

    /// Hand back everything and take nothing new.
    pub(crate) fn drain(&mut self, now: Instant) {
        if self.drain.is_none() {
            self.drain = Some(now + DRAIN);
            self.hand_back();
        }
    }

    /// Time has passed.
    pub(crate) fn timeout(&mut self, now: Instant) {
        self.beat |= self.contact.beat(now);
        if self.contact.fence(now) {
            self.hand_back();
        }
    }

    fn welcomed(&mut self, now: Instant, welcome: Welcome) {
        self.contact.welcomed(now, welcome.lease, welcome.heartbeat);
        self.studies.clear();
        self.told = None;
        self.outbox.rewind();
        let still_yours = BTreeSet::from_iter(welcome.still_yours);
        for lease in self.held.difference(&still_yours).cloned().collect::<Vec<_>>() {
            self.forget(&lease);
        }
    }

    fn granted(&mut self, grants: Vec<Result<Grant, Unusable>>) {
        for grant in grants {
            let lease = grant.as_ref().map_or_else(|unusable| &unusable.lease, |grant| &grant.lease).clone();
            if self.held.contains(&lease) {
                continue;
            }
            // A newer attempt says that the older one is over, even if its revocation went missing.
            let same = |held: &&LeaseId| (&held.study, held.trial) == (&lease.study, lease.trial);
            for older in self.held.iter().filter(same).cloned().collect::<Vec<_>>() {
                self.forget(&older);
            }
            self.held.insert(lease.clone());
            let study = match self.studies.get(&lease.study) {
                Some(spec) => spec.clone(),
                None => Err(format!("study {} was granted before it was announced", lease.study)),
            };
            match grant.map_err(|unusable| unusable.reason).and_then(|grant| Ok((grant, study?))) {
                Ok((grant, study)) => self.queue.push_back(Assignment { grant, study }),
                Err(reason) => self.outbox.push(Report { lease, news: News::Failed { reason } }),
            }
        }
        if self.drain.is_some() {
            self.hand_back();
        }
        self.dispatch();
    }

    fn acked(&mut self, sequence: u64) {
        for report in self.outbox.ack(sequence) {
            if report.news.is_final() {
                self.held.remove(&report.lease);
            }
        }
    }

    /// Gives up a lease that is somebody else's.
    fn forget(&mut self, lease: &LeaseId) {
        if self.held.remove(lease) {
            self.queue.retain(|assignment| assignment.grant.lease != *lease);
            self.outbox.forget(lease);
            self.actions.push(Action::Abandon(lease.clone()));
        }
    }

    /// Begins to hand back all leases; what has not begun is handed back as it came.
    fn hand_back(&mut self) {
        for assignment in self.queue.drain(..) {
            let news = News::Released { checkpoint: None };
            self.outbox.push(Report { lease: assignment.grant.lease, news });
        }
        self.actions.extend(self.held.iter().cloned().map(Action::HandBack));
    }

    fn dispatch(&mut self) {
        while let Some(&slot) = self.free.first() {
            let Some(assignment) = self.queue.pop_front() else { return };
            self.free.remove(&slot);
            self.actions.push(Action::Start { slot, assignment });
        }
    }

    /// How many more leases the worker can take now.
    fn credits(&self) -> u32 {
        let slots = self.identity.slots as usize;
        let busy = slots.saturating_sub(self.free.len());
        // A trainer is free while its last checkpoint is still being stored. Where storing is slower than training,
        // checkpoints must not pile up on the local disk.
        let ending = self.held.len().saturating_sub(self.queue.len() + busy);
        if self.drain.is_some() || ending > 2 * slots {
            return 0;
        }
        self.free.len().saturating_sub(self.queue.len()) as u32
    }
}
