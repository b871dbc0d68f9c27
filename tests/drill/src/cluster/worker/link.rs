//! A worker's connection: opened, lost and opened again.

use coordinator::driver::NotTaken;

use super::{FIRST_WAIT, instant};
use crate::{
    convert,
    stream::{Item, Stream, Way},
    world::{Event, Place, World},
};

/// Longest time to open a connection, in milliseconds.
const CONNECT: u64 = 3_000;
/// Longest time from an open connection to Welcome.
const GREETING: u64 = 20_000;
/// Longest wait before the coordinator is tried again.
const LAST_WAIT: u64 = 2_000;

impl World {
    /// A worker opens a stream, if it can.
    pub(crate) fn connect(&mut self, index: usize, incarnation: u64) {
        let worker = &self.workers[index];
        if worker.process.is_none() || worker.incarnation != incarnation || worker.stream().is_some() {
            return;
        }
        if worker.is_cut(Way::Up) || worker.is_cut(Way::Down) {
            return self.try_later(index, CONNECT);
        }
        if self.coordinator.process.is_none() {
            return self.try_later(index, 0);
        }
        let number = self.agenda.number();
        self.streams.insert(number, Stream::new(index, incarnation, self.coordinator.life));
        if let Some(process) = &mut self.workers[index].process {
            (process.stream, process.welcomed) = (Some(number), false);
        }
        let wait = 2 * self.latency();
        self.later(wait, Event::Opened(number));
        self.later(wait + GREETING, Event::Unanswered(number));
        // A stream to a stopped coordinator opens, and stays silent.
        self.look_after(number, Place::Worker);
    }

    fn try_later(&mut self, index: usize, after: u64) {
        let incarnation = self.workers[index].incarnation;
        let Some(process) = &mut self.workers[index].process else { return };
        let nominal = process.wait;
        process.wait = LAST_WAIT.min(nominal * 2);
        let wait = after + self.dice.between((nominal / 2, nominal));
        self.later(wait, Event::Connect(index, incarnation));
    }

    /// A stream is open.
    pub(crate) fn opened(&mut self, number: u64) {
        let Some(index) = self.owner(number) else { return };
        if let Some(session) = self.session(index) {
            session.opened();
        }
        self.settle(index);
    }

    /// Welcome should have come.
    pub(crate) fn unanswered(&mut self, number: u64) {
        let Some(index) = self.owner(number) else { return };
        if self.workers[index].welcomed().is_none() {
            self.lose_stream(index, number);
            self.settle(index);
        }
    }

    /// The worker whose stream this is now.
    fn owner(&self, number: u64) -> Option<usize> {
        let index = self.streams.get(&number)?.worker;
        (self.workers[index].stream() == Some(number)).then_some(index)
    }

    /// The oldest item on its way to a worker arrives.
    pub(crate) fn arrive_down(&mut self, number: u64) {
        let now = instant(self.now());
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let Some(item) = stream.down.items.pop_front() else { return };
        let Some(index) = self.owner(number) else { return };
        match item {
            Item::Message(Ok(message)) => {
                let welcome = matches!(message, coordinator::driver::ToWorker::Welcome { .. });
                if let Some(process) = &mut self.workers[index].process {
                    process.session.received(now, convert::incoming(message));
                    process.welcomed |= welcome;
                }
                if welcome {
                    self.resume_calls(index);
                }
            }
            // Whoever has the id gives signs of life: this process ends.
            Item::Message(Err(NotTaken::InUse(_))) => return self.end_worker(index, false),
            Item::Message(Err(NotTaken::Unsure(_))) | Item::End => self.lose_stream(index, number),
        }
        self.settle(index);
    }

    /// A worker's stream is lost to it; it will open another.
    pub(crate) fn lose_stream(&mut self, index: usize, number: u64) {
        if self.workers[index].stream() != Some(number) {
            return;
        }
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.worker_open = false;
        }
        self.end_up(number);
        self.lose_calls(index, number);
        let now = instant(self.now());
        let Some(process) = &mut self.workers[index].process else { return };
        if process.welcomed {
            process.wait = FIRST_WAIT;
        }
        (process.stream, process.welcomed) = (None, false);
        process.session.lost(now);
        self.try_later(index, 0);
    }
}
