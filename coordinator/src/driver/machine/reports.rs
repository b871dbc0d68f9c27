//! What workers say: that they are there, and what happened to their leases.

use common::{
    evaluation::{Evaluation, Scored},
    ids::WorkerId,
    study::{Rank, StudySpec},
    time::Timestamp,
    view::LeaseId,
};
use scheduler::{Input as StudyInput, Refusal};

use super::{
    super::{Effect, Group, Happened, Hello, Report, SessionId, ToWorker},
    Machine,
};

impl Machine {
    /// Notes a sign of life. A message on a stream that has lost its meaning closes the stream.
    pub(super) fn seen(&mut self, now: Timestamp, session: SessionId, group: &mut Group) -> Option<WorkerId> {
        group.sessions.insert(session);
        let worker = self.roster.seen(session, now);
        if worker.is_none() {
            group.effects.push(Effect::Close(session));
        }
        worker
    }

    pub(super) fn connect(&mut self, now: Timestamp, session: SessionId, hello: Hello, group: &mut Group) {
        group.sessions.insert(session);
        let (worker, held) = (hello.worker.clone(), hello.held.clone());
        match self.roster.connected(session, hello, now) {
            Ok(older) => group.effects.extend(older.map(Effect::Close)),
            Err(reason) => {
                tracing::info!(%worker, %reason, "worker not taken");
                group.effects.push(Effect::Refuse(session, reason));
                return;
            }
        }
        let known = self.roster.get(&worker).map(|member| member.leases.clone()).unwrap_or_default();
        // A lease that the worker does not know of was granted on a stream that broke, or to an earlier process.
        for lease in known.difference(&held) {
            self.lose(now, &worker, lease, group);
        }
        let still_yours = known.intersection(&held).cloned().collect();
        let (lease, heartbeat) = self.roster.terms();
        let welcome = ToWorker::Welcome { lease, heartbeat, still_yours };
        group.effects.push(Effect::Send(session, welcome));
        if self.roster.get(&worker).is_some_and(|member| member.draining) {
            // It may never have heard: the stream broke, or the commit failed whose group asked it to leave.
            group.effects.push(Effect::Send(session, ToWorker::Drain));
        }
    }

    pub(super) fn report(
        &mut self,
        now: Timestamp,
        from: (SessionId, &WorkerId),
        report: Report,
        group: &mut Group,
    ) {
        let (session, worker) = from;
        let Report { lease, what } = report;
        // What is said of another worker's lease counts as little as what is said of one that is over.
        if !self.holds(Some(worker), &lease) {
            tracing::debug!(%lease, %worker, "report of a lease that is not the worker's");
            revoke(session, lease, group);
            return;
        }
        if let Happened::Epoch(point) | Happened::Finished { last: point, .. } | Happened::NotFinite(point) =
            &what
            && self.trains(&lease, point.epoch)
        {
            group.commit.curves.push((lease.study.clone(), lease.trial, *point));
        }
        let Some(live) = self.studies.get_mut(&lease.study) else { return };
        if let Happened::Epoch(point) = what {
            live.trained(&lease, point.epoch);
            return;
        }
        let ends = !matches!(what, Happened::Checkpointed(_));
        let input = study_input(live.study().spec(), &lease, what);
        match live.step(now, &input, &mut group.commit) {
            Ok(_) if ends => self.roster.ended(worker, &lease),
            Ok(_) => {}
            Err(refusal) => {
                tracing::debug!(%lease, %worker, %refusal, "report refused");
                // What is said of a current lease makes no sense. Its holder is to let go of it, so it ends here too.
                if let Refusal::WrongResult(reason) = refusal {
                    let (trial, attempt) = (lease.trial, lease.attempt);
                    let failed = StudyInput::Failed { trial, attempt, reason };
                    if live.step(now, &failed, &mut group.commit).is_ok() {
                        self.roster.ended(worker, &lease);
                    }
                }
                revoke(session, lease, group);
            }
        }
    }

    pub(super) fn lose(&mut self, now: Timestamp, worker: &WorkerId, lease: &LeaseId, group: &mut Group) {
        tracing::info!(%lease, %worker, "lease lost");
        self.roster.ended(worker, lease);
        let input = StudyInput::Lost { trial: lease.trial, attempt: lease.attempt };
        if let Some(live) = self.studies.get_mut(&lease.study)
            && let Err(refusal) = live.step(now, &input, &mut group.commit)
        {
            tracing::debug!(%lease, %refusal, "lost lease had ended already");
        }
    }
}

/// Takes a lease back. Thousands of reports of one that is over, in a row, are answered by one message.
fn revoke(session: SessionId, lease: LeaseId, group: &mut Group) {
    match group.effects.last_mut() {
        Some(Effect::Send(to, ToWorker::Revoke(leases))) if *to == session => {
            if !leases.contains(&lease) {
                leases.push(lease);
            }
        }
        _ => group.effects.push(Effect::Send(session, ToWorker::Revoke(vec![lease]))),
    }
}

fn study_input(spec: &StudySpec, lease: &LeaseId, what: Happened) -> StudyInput {
    let (trial, attempt) = (lease.trial, lease.attempt);
    let metric = spec.objective.metric;
    match what {
        Happened::Epoch(_) => StudyInput::Tick,
        Happened::Missing => StudyInput::Lost { trial, attempt },
        Happened::Checkpointed(checkpoint) => StudyInput::Checkpointed { trial, attempt, checkpoint },
        Happened::Finished { last, best, checkpoint, early_stopped, restored } => {
            let ranked = match spec.objective.rank {
                Rank::Last => restored.unwrap_or(last.metrics),
                Rank::Best => best,
            };
            StudyInput::Finished {
                trial,
                attempt,
                epochs: last.epoch,
                value: metric.of(&ranked),
                val_loss: ranked.val_loss,
                checkpoint,
                early_stopped,
            }
        }
        Happened::NotFinite(last) => {
            StudyInput::NotFinite { trial, attempt, epochs: last.epoch, value: metric.of(&last.metrics) }
        }
        Happened::Released(checkpoint) => StudyInput::Released { trial, attempt, checkpoint },
        Happened::Failed(reason) => StudyInput::Failed { trial, attempt, reason },
        Happened::Evaluated(Evaluation {
            test: Scored { metrics: test, probabilities }, validation, ..
        }) => StudyInput::Evaluated { trial, attempt, test, probabilities, validation },
    }
}
