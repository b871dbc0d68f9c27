//! The network: messages in order, until a stream ends; and who notices when nothing passes any more.

use worker::session::messages::Outgoing;

use crate::{
    stream::{Item, Told, Way},
    world::{Event, Place, World},
};

/// How long the worker's transport waits before it looks, and again before it gives a stream up, in milliseconds.
const WORKER_WATCH: (u64, u64) = (2_000, 4_000);

/// The same of the coordinator's transport.
const COORDINATOR_WATCH: (u64, u64) = (10_000, 20_000);

impl World {
    /// How long a message travels now, in milliseconds.
    pub(crate) fn latency(&mut self) -> u64 {
        let plain = self.dice.between(self.climate.latency);
        // Lost packets are sent again, later each time.
        let again =
            if self.losses > 0 && self.dice.chance(300) { self.dice.between((200, 3_000)) } else { 0 };
        plain + again
    }

    /// Sends a worker's message.
    pub(crate) fn send_up(&mut self, number: u64, message: Outgoing) {
        self.push_up(number, Item::Message(message));
    }

    /// Sends the coordinator's message.
    pub(crate) fn send_down(&mut self, number: u64, message: Told) {
        self.push_down(number, Item::Message(message));
    }

    /// Tells the coordinator that the worker's end is closed.
    pub(crate) fn end_up(&mut self, number: u64) {
        self.push_up(number, Item::End);
    }

    /// Tells the worker that the coordinator's end is closed.
    pub(crate) fn end_down(&mut self, number: u64) {
        self.push_down(number, Item::End);
    }

    fn push_up(&mut self, number: u64, item: Item<Outgoing>) {
        let (now, latency) = (self.now(), self.latency());
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.up.last = stream.up.last.max(now + latency);
        stream.up.items.push_back(item);
        let wait = stream.up.last - now;
        self.later(wait, Event::Arrive(number, Way::Up));
    }

    fn push_down(&mut self, number: u64, item: Item<Told>) {
        let (now, latency) = (self.now(), self.latency());
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.down.last = stream.down.last.max(now + latency);
        stream.down.items.push_back(item);
        let wait = stream.down.last - now;
        self.later(wait, Event::Arrive(number, Way::Down));
    }

    /// Resets a worker's stream; what was on its way may be lost.
    pub(crate) fn reset(&mut self, worker: usize) -> bool {
        let Some(number) = self.workers[worker].stream() else { return false };
        let (up, down) = (self.dice.chance(500), self.dice.chance(500));
        if let Some(stream) = self.streams.get_mut(&number) {
            if up {
                stream.up.items.clear();
            }
            if down {
                stream.down.items.clear();
            }
        }
        self.end_up(number);
        self.end_down(number);
        true
    }

    /// Lets nothing pass one way any more.
    pub(crate) fn cut(&mut self, worker: usize, way: Way) {
        self.workers[worker].cuts[way as usize] += 1;
        if let Some(number) = self.workers[worker].stream() {
            self.look_after(number, Place::Worker);
        }
        for number in self.streams_of(worker) {
            self.look_after(number, Place::Coordinator);
        }
    }

    /// Lets things pass again, as far as nothing else holds them up.
    pub(crate) fn mend(&mut self, worker: usize, way: Way) {
        let cuts = &mut self.workers[worker].cuts[way as usize];
        *cuts = cuts.saturating_sub(1);
        if *cuts > 0 {
            return;
        }
        for number in self.streams_of(worker) {
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            let stalled = match way {
                Way::Up => &mut stream.up.stalled,
                Way::Down => &mut stream.down.stalled,
            };
            for _ in 0..std::mem::take(stalled) {
                self.agenda.later(20, Event::Arrive(number, way));
            }
        }
    }

    /// Cuts and mends a worker in turn.
    pub(crate) fn flap(&mut self, worker: usize, left: u32) {
        if left.is_multiple_of(2) {
            self.cut(worker, Way::Up);
            self.cut(worker, Way::Down);
        } else {
            self.mend(worker, Way::Up);
            self.mend(worker, Way::Down);
        }
        if left > 0 {
            let wait = self.dice.between((500, 9_000));
            self.later(wait, Event::Flap(worker, left - 1));
        } else {
            self.later(500, Event::Mend(worker, Way::Up));
            self.later(500, Event::Mend(worker, Way::Down));
        }
    }

    /// The transport at one end begins to wonder about a stream.
    pub(crate) fn look_after(&mut self, stream: u64, end: Place) {
        let (first, _) = patience(end);
        let wait = self.dice.between((first / 2, first));
        self.later(wait, Event::Watch { stream, end, strikes: 0 });
    }

    /// The transport looks after a stream, and closes its end where nothing comes back.
    pub(crate) fn watch(&mut self, number: u64, end: Place, strikes: u32) {
        let Some(stream) = self.streams.get(&number) else { return };
        let open = if end == Place::Worker { stream.worker_open } else { stream.coordinator_open };
        if !open || self.passes(number) {
            return;
        }
        if strikes == 0 {
            let (_, again) = patience(end);
            return self.later(again, Event::Watch { stream: number, end, strikes: 1 });
        }
        match end {
            Place::Worker => {
                let worker = stream.worker;
                self.lose_stream(worker, number);
                self.settle(worker);
            }
            Place::Coordinator => self.close_coordinator_end(number),
        }
    }

    /// Whether both ends of a stream answer each other.
    pub(crate) fn passes(&self, number: u64) -> bool {
        let Some(stream) = self.streams.get(&number) else { return false };
        let (worker, coordinator) = (&self.workers[stream.worker], &self.coordinator);
        let up = coordinator.process.is_some() && coordinator.life == stream.life && !coordinator.frozen;
        let there = worker.process.is_some() && worker.incarnation == stream.incarnation && !worker.frozen;
        let free = !worker.is_cut(Way::Up) && !worker.is_cut(Way::Down);
        up && there && free && stream.worker_open && stream.coordinator_open
    }

    /// All streams of a worker that somebody still holds open.
    pub(crate) fn streams_of(&self, worker: usize) -> Vec<u64> {
        let open = self.streams.iter().filter(|(_, stream)| stream.worker == worker);
        open.map(|(number, _)| *number).collect()
    }

    /// Forgets streams that are over.
    pub(crate) fn sweep_streams(&mut self) {
        self.streams.retain(|_, stream| {
            let waiting = !stream.up.items.is_empty() || !stream.down.items.is_empty();
            stream.worker_open || stream.coordinator_open || waiting
        });
    }
}

fn patience(end: Place) -> (u64, u64) {
    match end {
        Place::Worker => WORKER_WATCH,
        Place::Coordinator => COORDINATOR_WATCH,
    }
}
