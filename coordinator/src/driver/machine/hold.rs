//! What goes on while nothing can be committed: signs of life count, and nothing is decided.

use std::collections::BTreeSet;

use common::{time::Timestamp, view::LeaseId};

use super::{
    super::{Answer, Effect, Group, Hello, Input, Refused, Request, SessionId},
    Machine,
};

impl Machine {
    /// Handles inputs that come while the store takes no commit. The group has nothing to commit; its sessions are those
    /// whose messages were not taken, which must be closed once the store is back, so that they are sent again.
    ///
    /// Streams stay open and leases live on: a worker trains and keeps its reports. Nothing expires either, because that
    /// could not be stored, and nobody is given anything.
    pub fn hold(&mut self, now: Timestamp, inputs: Vec<Input>, reason: &str) -> Group {
        let mut group = Group::default();
        let mut unheard = BTreeSet::new();
        for input in inputs {
            match input {
                Input::Connected { session, hello } => self.greet(now, session, hello, &mut group),
                Input::Disconnected { session } => self.roster.disconnected(session, now),
                Input::Credits { session, free, granted } => {
                    if let Some(worker) = self.seen(now, session, &mut group) {
                        self.roster.set_free(&worker, free, granted);
                    }
                }
                Input::Reports { session, .. } => {
                    if self.seen(now, session, &mut group).is_some() {
                        unheard.insert(session);
                    }
                }
                Input::Heartbeat { session } => drop(self.seen(now, session, &mut group)),
                Input::Asked { id, request } => {
                    let answer = self.answer_held(now, request, reason, &mut group);
                    group.effects.push(Effect::Answer(id, answer));
                }
            }
        }
        group.sessions = unheard;
        // Everybody was listened to throughout, so no worker gets extra time; deadlines that pass now are looked at afterwards.
        self.last = Some((now, None));
        group
    }

    /// Welcomes a worker that holds all that it was given. One that does not has lost leases, which cannot be stored now.
    fn greet(&mut self, now: Timestamp, session: SessionId, hello: Hello, group: &mut Group) {
        let known: BTreeSet<LeaseId> =
            self.roster.get(&hello.worker).map(|member| member.leases.clone()).unwrap_or_default();
        if known.is_subset(&hello.held) {
            self.connect(now, session, hello, group);
        } else {
            group.effects.push(Effect::Close(session));
        }
    }

    fn answer_held(
        &mut self,
        now: Timestamp,
        request: Request,
        reason: &str,
        group: &mut Group,
    ) -> Result<Answer, Refused> {
        match request {
            Request::Workers => Ok(Answer::Workers(self.roster.views(now))),
            Request::DrainWorker(text) => self.drain(&text, group),
            _ => Err(Refused::Degraded(reason.to_owned())),
        }
    }
}
