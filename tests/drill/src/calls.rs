//! Uploads and downloads: calls beside the stream, tried again until they go well or never will.

use common::view::LeaseId;
use coordinator::{blobs::ObjectKey, driver::Request};

use crate::{
    cluster::coordinator::Asker,
    fault::Fault,
    objects::Lacking,
    stream::Way,
    world::{Event, World},
};

/// A call under way.
#[derive(Debug)]
pub(crate) struct Call {
    /// The worker that made it, and which of its processes.
    pub(crate) worker: usize,
    pub(crate) incarnation: u64,
    pub(crate) lease: LeaseId,
    pub(crate) key: ObjectKey,
    /// What is uploaded; none where it is a download.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The slot that waits for it; none where the lease's delivery does.
    pub(crate) slot: Option<usize>,
    /// The connection that it is made on; none while it waits for one.
    pub(crate) stream: Option<u64>,
    /// Grows with every try.
    attempt: u32,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// It is stored, and synced.
    Stored,
    /// Here it is.
    Bytes(Vec<u8>),
    /// It will never go well.
    Refused,
    /// It may go well another time.
    Failed,
}

impl World {
    /// Makes a call as soon as there is a connection.
    pub(crate) fn call(
        &mut self,
        call: (usize, LeaseId, ObjectKey),
        bytes: Option<Vec<u8>>,
        slot: Option<usize>,
    ) {
        let (worker, lease, key) = call;
        let incarnation = self.workers[worker].incarnation;
        let number = self.agenda.number();
        let call = Call { worker, incarnation, lease, key, bytes, slot, stream: None, attempt: 0 };
        self.calls.insert(number, call);
        self.dispatch_call(number);
    }

    fn dispatch_call(&mut self, number: u64) {
        let latency = self.latency();
        let Some(call) = self.calls.get_mut(&number) else { return };
        let worker = &self.workers[call.worker];
        if worker.process.is_none() || worker.incarnation != call.incarnation {
            self.calls.remove(&number);
            return;
        }
        call.attempt += 1;
        let attempt = call.attempt;
        call.stream = worker.welcomed();
        if call.stream.is_some() {
            self.later(latency, Event::Call(number, attempt));
        }
    }

    /// Makes all calls of a worker that wait for a connection.
    pub(crate) fn resume_calls(&mut self, worker: usize) {
        for number in self.calls_of(worker, None) {
            self.dispatch_call(number);
        }
    }

    /// A connection is lost: its calls wait for another.
    pub(crate) fn lose_calls(&mut self, worker: usize, stream: u64) {
        for number in self.calls_of(worker, Some(stream)) {
            if let Some(call) = self.calls.get_mut(&number) {
                call.stream = None;
                call.attempt += 1;
            }
        }
    }

    fn calls_of(&self, worker: usize, stream: Option<u64>) -> Vec<u64> {
        let fitting = self.calls.iter().filter(|(_, call)| call.worker == worker && call.stream == stream);
        fitting.map(|(number, _)| *number).collect()
    }

    /// The call, if this is still its attempt.
    fn current(&self, number: u64, attempt: u32) -> Option<&Call> {
        self.calls.get(&number).filter(|call| call.attempt == attempt)
    }

    /// A call reaches the coordinator.
    pub(crate) fn called(&mut self, number: u64, attempt: u32) {
        let Some(call) = self.current(number, attempt) else { return };
        if self.workers[call.worker].is_cut(Way::Up) {
            return self.later(500, Event::Call(number, attempt));
        }
        let life = call.stream.and_then(|stream| self.streams.get(&stream)).map(|stream| stream.life);
        if self.coordinator.process.is_none() || life != Some(self.coordinator.life) {
            // Its connection is gone, as its worker will find out.
            return;
        }
        if call.bytes.is_some() {
            let holds = Request::Holds(Some(self.workers[call.worker].id.clone()), call.lease.clone());
            return self.request(Asker::Upload(number, attempt), holds);
        }
        let (study, trial) = (call.key.study.clone(), call.key.trial);
        let leases = Request::Leases(Some(self.workers[call.worker].id.clone()), study, trial);
        self.request(Asker::Download(number, attempt), leases);
    }

    /// The coordinator reads what a download asks for. Where that is not to be had, the driver hears of it first.
    pub(crate) fn read_object(&mut self, number: u64, attempt: u32) {
        let Some(call) = self.current(number, attempt) else { return };
        match self.coordinator.objects.get(&call.key) {
            Ok(bytes) => self.reply(number, attempt, Reply::Bytes(bytes)),
            Err(Lacking::Missing | Lacking::Damaged) => {
                let damaged = Request::Damaged(call.key.clone());
                self.request(Asker::Lost(number, attempt), damaged);
            }
        }
    }

    /// The coordinator takes an upload's bytes in.
    pub(crate) fn receive_bytes(&mut self, number: u64, attempt: u32) {
        let wait = if self.dice.chance(50) { self.dice.between((500, 5_000)) } else { self.dice.below(100) };
        self.later(wait, Event::Store(number, attempt));
    }

    /// All bytes of an upload have come, unless it broke off.
    pub(crate) fn store(&mut self, number: u64, attempt: u32) {
        let half = self.stormy && self.climate.gaps.contains_key(&Fault::HalfUpload) && self.dice.chance(80);
        let Some(call) = self.current(number, attempt) else { return };
        let whole = call.stream.is_some_and(|stream| self.passes(stream));
        if half || !whole || self.coordinator.full > 0 {
            if half {
                self.tally.count(Fault::HalfUpload);
            }
            return self.reply(number, attempt, Reply::Failed);
        }
        let (key, bytes) = (call.key.clone(), call.bytes.clone().unwrap_or_default());
        let reply = if self.coordinator.objects.put(key, bytes) { Reply::Stored } else { Reply::Refused };
        self.reply(number, attempt, reply);
    }

    /// Answers a call.
    pub(crate) fn reply(&mut self, number: u64, attempt: u32, mut reply: Reply) {
        let latency = self.latency();
        if self.stormy
            && self.climate.gaps.contains_key(&Fault::BitFlip)
            && let Reply::Bytes(bytes) = &mut reply
            && self.dice.chance(60)
            && let Some(call) = self.calls.get(&number)
            && self.checks.may_fail(&call.lease)
        {
            self.tally.count(Fault::BitFlip);
            bytes[0] ^= 4;
        }
        self.later(latency, Event::Reply(number, attempt, reply));
    }

    /// A call's answer reaches its worker.
    pub(crate) fn replied(&mut self, number: u64, attempt: u32, reply: Reply) {
        let Some(call) = self.current(number, attempt) else { return };
        let worker = call.worker;
        if self.workers[worker].is_cut(Way::Down) {
            return self.later(500, Event::Reply(number, attempt, reply));
        }
        if reply == Reply::Failed {
            let wait = self.dice.between((50, 3_000));
            return self.later(wait, Event::CallAgain(number, attempt));
        }
        let Some(call) = self.calls.remove(&number) else { return };
        if self.workers[worker].process.is_none() || self.workers[worker].incarnation != call.incarnation {
            return;
        }
        match call.slot {
            Some(slot) => self.fetched(slot, call, reply),
            None => self.put(call, reply),
        }
        self.settle(worker);
    }

    /// A failed call is tried again.
    pub(crate) fn call_again(&mut self, number: u64, attempt: u32) {
        if self.current(number, attempt).is_some() {
            self.dispatch_call(number);
        }
    }
}
