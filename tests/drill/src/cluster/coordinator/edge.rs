//! What comes in by the network: the part of the gRPC handlers that decides something.

use coordinator::{
    blobs::ObjectKey,
    driver::{Happened, Input, Report, SessionId},
};
use worker::session::messages::Outgoing;

use crate::{
    convert,
    stream::Item,
    world::{Place, World},
};

impl World {
    /// The oldest item on its way to the coordinator arrives.
    pub(crate) fn arrive_up(&mut self, number: u64) {
        let life = self.coordinator.life;
        let up = self.coordinator.process.is_some();
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let Some(item) = stream.up.items.pop_front() else { return };
        let (worker, session) = (stream.worker, stream.session);
        if !up || stream.life != life || !stream.coordinator_open {
            // The machine answers with a reset.
            return self.end_down(number);
        }
        match item {
            Item::Message(Outgoing::Hello { identity, held }) => {
                let hello = convert::hello(identity, held);
                if let Some(process) = &mut self.coordinator.process {
                    let session = SessionId(process.number());
                    process.sessions.insert(session, number);
                    stream.session = Some(session);
                    self.checks.heard(self.agenda.now(), &hello.worker);
                    self.input(Input::Connected { session, hello });
                }
            }
            Item::Message(message) => {
                if let Some(session) = session {
                    self.heard(worker, session, message);
                }
            }
            Item::End => self.close_coordinator_end(number),
        }
        self.settle(worker);
    }

    fn heard(&mut self, worker: usize, session: SessionId, message: Outgoing) {
        let now = self.now();
        self.checks.heard(now, &self.workers[worker].id);
        match message {
            Outgoing::Hello { .. } => {}
            Outgoing::Credits { free, granted } => self.input(Input::Credits { session, free, granted }),
            Outgoing::Heartbeat => self.input(Input::Heartbeat { session }),
            Outgoing::Reports { sequence, reports } => {
                let reports: Vec<Report> =
                    reports.into_iter().filter_map(|report| self.believe(convert::report(report))).collect();
                if let Some(process) = &mut self.coordinator.process {
                    process.batches.insert((session, sequence), reports.clone());
                }
                self.input(Input::Reports { session, sequence, reports });
            }
        }
    }

    /// What a report that names an object which is not stored still says.
    fn believe(&self, report: Report) -> Option<Report> {
        let (study, trial) = (&report.lease.study, report.lease.trial);
        let named = match &report.what {
            Happened::Checkpointed(checkpoint)
            | Happened::Finished { checkpoint, .. }
            | Happened::Released(Some(checkpoint)) => {
                ObjectKey::of_checkpoint(study, trial, checkpoint).to_vec()
            }
            Happened::Evaluated(evaluation) => ObjectKey::of_evaluation(study, trial, evaluation),
            _ => Vec::new(),
        };
        if named.iter().all(|key| self.coordinator.objects.holds(key)) {
            return Some(report);
        }
        let what = match report.what {
            Happened::Checkpointed(_) => return None,
            Happened::Released(_) => Happened::Released(None),
            _ => Happened::Missing,
        };
        Some(Report { what, ..report })
    }

    /// Ends the coordinator's end of a stream, and tells its driver.
    pub(crate) fn close_coordinator_end(&mut self, number: u64) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if !std::mem::take(&mut stream.coordinator_open) {
            return;
        }
        let session = stream.session;
        self.end_down(number);
        if let (Some(session), Some(process)) = (session, &mut self.coordinator.process)
            && process.sessions.remove(&session).is_some()
        {
            self.input(Input::Disconnected { session });
        }
    }

    /// A machine without power says nothing: the other ends find out by themselves.
    pub(crate) fn fall_silent(&mut self, number: u64) {
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.coordinator_open = false;
        }
        self.look_after(number, Place::Worker);
    }
}
