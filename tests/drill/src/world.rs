//! A cluster, and the time that it lives in.

mod agenda;
mod end;

use coordinator::driver::SessionId;

use std::collections::BTreeMap;

use anyhow::Result;

pub(crate) use self::agenda::{Agenda, Event, Place, Recipient};
use crate::{
    calls::Call,
    checks::Checks,
    clients::Clients,
    climate::Climate,
    cluster::coordinator::Coordinator,
    cluster::worker::Worker,
    dice::Dice,
    fault::{Fault, Tally},
    stream::{Stream, Way},
    trace::Trace,
};

/// Longest time from the last fault to the end of all studies, in milliseconds.
const PATIENCE: u64 = 6 * 3_600_000;

/// Most events of one millisecond: a timer that is due again at once, for ever, holds time still.
const MOST_AT_ONCE: u32 = 100_000;

/// Everything there is.
pub(crate) struct World {
    pub(crate) climate: Climate,
    pub(crate) agenda: Agenda,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    pub(crate) coordinator: Coordinator,
    pub(crate) workers: Vec<Worker>,
    /// By number, which grows.
    pub(crate) streams: BTreeMap<u64, Stream>,
    /// Uploads and downloads under way.
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) clients: Clients,
    pub(crate) checks: Checks,
    /// Whether things still go wrong.
    pub(crate) stormy: bool,
    /// Spells of packet loss under way.
    pub(crate) losses: u32,
    /// A millisecond, and how many events it has seen.
    moment: (u64, u32),
}

impl World {
    /// The cluster of a seed, before anything has started.
    pub(crate) fn new(seed: u64, trace: Trace) -> Result<Self> {
        let climate = Climate::of(seed)?;
        let workers = climate.workers.iter().enumerate().map(|(index, slots)| Worker::new(index, *slots));
        let mut world = Self {
            workers: workers.collect::<Result<_>>()?,
            agenda: Agenda::default(),
            dice: Dice::new(seed, 3),
            trace,
            tally: Tally::default(),
            coordinator: Coordinator::default(),
            streams: BTreeMap::new(),
            calls: BTreeMap::new(),
            clients: Clients::new(&climate),
            checks: Checks::default(),
            stormy: true,
            losses: 0,
            moment: (0, 0),
            climate,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        self.later(0, Event::CoordinatorStart);
        for worker in 0..self.workers.len() {
            let wait = self.dice.below(3_000);
            self.later(wait, Event::WorkerStart(worker));
        }
        for study in 0..self.climate.studies.len() {
            let wait = if study == 0 { 0 } else { self.dice.below(self.climate.storm) };
            self.later(wait, Event::Submit(study));
        }
        let gaps: Vec<(Fault, u64)> = self.climate.gaps.iter().map(|(fault, gap)| (*fault, *gap)).collect();
        for (fault, gap) in gaps {
            let wait = self.dice.around(gap);
            self.later(wait, Event::Strike(fault));
        }
        self.later(self.climate.storm, Event::Calm);
        self.later(1_000, Event::Look);
    }

    /// The time, in milliseconds.
    pub(crate) fn now(&self) -> u64 {
        self.agenda.now()
    }

    /// Lets something happen after a while.
    pub(crate) fn later(&mut self, wait: u64, event: Event) {
        self.agenda.later(wait, event);
    }

    /// Lets the next thing happen; false when nothing is left to happen, or something is wrong.
    pub(crate) fn step(&mut self) -> bool {
        if self.checks.failed() || self.is_over() {
            return false;
        }
        if self.now() > self.climate.storm + PATIENCE {
            self.checks.fail("L2: studies have not ended six hours after the last fault".to_owned());
            return false;
        }
        let Some(event) = self.agenda.next() else {
            self.checks.fail("L2: nothing happens any more, but not all studies have ended".to_owned());
            return false;
        };
        if self.at_this_moment() > MOST_AT_ONCE {
            self.checks.fail(format!("L2: time stands still, the last event was {event:?}"));
            return false;
        }
        self.trace.note(self.agenda.now(), &event);
        if let Some(event) = self.held_up(event) {
            self.happen(event);
        }
        true
    }

    /// How many events this millisecond has seen, the one that comes counted.
    fn at_this_moment(&mut self) -> u32 {
        let now = self.now();
        let (moment, events) = self.moment;
        self.moment = (now, if moment == now { events + 1 } else { 1 });
        self.moment.1
    }

    /// Keeps an event for later whose recipient is stopped, or which cannot pass.
    fn held_up(&mut self, event: Event) -> Option<Event> {
        if let Event::Arrive(number, way) = event
            && let Some(stream) = self.streams.get_mut(&number)
            && self.workers[stream.worker].is_cut(way)
        {
            match way {
                Way::Up => stream.up.stalled += 1,
                Way::Down => stream.down.stalled += 1,
            }
            return None;
        }
        match self.recipient(&event) {
            Recipient::Coordinator if self.coordinator.frozen => self.coordinator.deferred.push(event),
            Recipient::Worker(index) if self.workers[index].frozen => {
                self.workers[index].deferred.push(event)
            }
            _ => return Some(event),
        }
        None
    }

    fn recipient(&self, event: &Event) -> Recipient {
        let worker = |stream: &u64| {
            self.streams.get(stream).map_or(Recipient::Nobody, |stream| Recipient::Worker(stream.worker))
        };
        let caller = |call: &u64| {
            self.calls.get(call).map_or(Recipient::Nobody, |call| Recipient::Worker(call.worker))
        };
        match event {
            Event::Arrive(_, Way::Up)
            | Event::Watch { end: Place::Coordinator, .. }
            | Event::Call(..)
            | Event::Store(..)
            | Event::Ask(..)
            | Event::Turn(_)
            | Event::Committed(_) => Recipient::Coordinator,
            Event::Arrive(stream, Way::Down)
            | Event::Watch { stream, end: Place::Worker, .. }
            | Event::Opened(stream)
            | Event::Unanswered(stream) => worker(stream),
            Event::Reply(call, ..) | Event::CallAgain(call, _) => caller(call),
            Event::Connect(worker, _) | Event::Timer(worker, ..) | Event::Step(worker, ..) => {
                Recipient::Worker(*worker)
            }
            _ => Recipient::Nobody,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::CoordinatorStart => self.start_coordinator(),
            Event::CoordinatorThaw => self.thaw_coordinator(),
            Event::Turn(life) => self.turn(life),
            Event::Committed(life) => self.committed(life),
            Event::Arrive(stream, Way::Up) => self.arrive_up(stream),
            Event::Arrive(stream, Way::Down) => self.arrive_down(stream),
            Event::Watch { stream, end, strikes } => self.watch(stream, end, strikes),
            Event::Connect(worker, incarnation) => self.connect(worker, incarnation),
            Event::Opened(stream) => self.opened(stream),
            Event::Unanswered(stream) => self.unanswered(stream),
            Event::Call(call, attempt) => self.called(call, attempt),
            Event::Store(call, attempt) => self.store(call, attempt),
            Event::Reply(call, attempt, reply) => self.replied(call, attempt, reply),
            Event::CallAgain(call, attempt) => self.call_again(call, attempt),
            Event::WorkerStart(worker) => self.start_worker(worker),
            Event::WorkerThaw(worker) => self.thaw_worker(worker),
            Event::Timer(worker, incarnation, at) => self.timer(worker, incarnation, at),
            Event::Step(worker, incarnation, slot, token) => {
                self.trainer_step(worker, (incarnation, slot, token))
            }
            Event::Submit(study) => self.submit(study),
            Event::Ask(intent) => self.ask(intent),
            Event::Resume(study) => self.resume(study),
            Event::Delete(study) => self.delete(study),
            Event::Strike(fault) => self.strike_again(fault),
            Event::Mend(worker, way) => self.mend(worker, way),
            Event::Flap(worker, left) => self.flap(worker, left),
            Event::LossEnds => self.losses = self.losses.saturating_sub(1),
            Event::SpaceReturns => self.coordinator.full = self.coordinator.full.saturating_sub(1),
            Event::Calm => self.calm(),
            Event::Look => self.look(),
        }
    }

    /// The stream of a session.
    pub(crate) fn stream_of(&self, session: SessionId) -> Option<u64> {
        self.coordinator.process.as_ref()?.sessions.get(&session).copied()
    }
}
