//! What is given out: leases, fairly.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    ids::{StudyId, WorkerId},
    time::Timestamp,
    view::{LeaseId, StudyPhase},
};
use scheduler::{Event, Input as StudyInput, Study};

use super::{
    super::{Effect, Grant, Group, ToWorker, live_study::LiveStudy},
    Machine,
};

impl Machine {
    /// Gives out leases, one to each idle worker in turn, always of the study that has the fewest; before all others of one
    /// that waits for an evaluation and has none. That is short, and a study that has trained waits for nothing else.
    pub(super) fn assign(&mut self, now: Timestamp, group: &mut Group) {
        self.studies.values_mut().for_each(|live| live.note_waiting(now));
        let mut grants: BTreeMap<WorkerId, Vec<LeaseId>> = BTreeMap::new();
        loop {
            let mut granted = false;
            for worker in self.roster.idle() {
                if let Some(lease) = self.grant_one(now, &worker, group) {
                    grants.entry(worker).or_default().push(lease);
                    granted = true;
                }
            }
            if !granted {
                break;
            }
        }
        for (worker, leases) in grants {
            self.send_grants(&worker, &leases, group);
        }
    }

    fn grant_one(&mut self, now: Timestamp, worker: &WorkerId, group: &mut Group) -> Option<LeaseId> {
        let kept = self.kept_slots(worker);
        let mut withheld = BTreeSet::new();
        loop {
            let member = self.roster.get(worker)?;
            let trainable = |live: &&mut LiveStudy| {
                member.can_train(live.study().spec()) && !withheld.contains(live.id())
            };
            let fitting =
                self.studies.values_mut().filter(trainable).filter(|live| live.study().leasable() > 0);
            let live = fitting.min_by_key(|live| {
                let (study, leases) = (live.study(), live.study().lease_count());
                (!(evaluates(study) && leases == 0), leases, study.created())
            })?;
            if member.capacity() <= kept && !evaluates(live.study()) {
                return None;
            }
            // Not looked for where it makes no difference: there may be thousands.
            let others = if live.study().has_failed_on(worker) {
                self.roster.others(worker, live.study().spec())
            } else {
                BTreeSet::new()
            };
            let input = StudyInput::Lease { worker: worker.clone(), most: 1, others };
            let events = match live.step(now, &input, &mut group.commit) {
                Ok(events) => events,
                Err(refusal) => {
                    tracing::debug!(study = %live.id(), %worker, %refusal, "no lease granted");
                    return None;
                }
            };
            let granted = events.iter().find_map(|event| match event {
                Event::Granted { trial, attempt, .. } => Some((*trial, *attempt)),
                _ => None,
            });
            if let Some((trial, attempt)) = granted {
                let lease = LeaseId { study: live.id().clone(), trial, attempt };
                tracing::info!(%lease, %worker, "lease granted");
                self.roster.granted(worker, lease.clone());
                return Some(lease);
            }
            // What is left of it has failed on this worker and is for others: other studies may have more. One that says here
            // that it has no more to draw is asked again, and then has nothing to lease.
            if events.is_empty() {
                withheld.insert(live.id().clone());
            }
        }
    }

    /// How many slots a worker keeps free: one for each study whose last results it stores, most often the last checkpoint before
    /// an evaluation. Another study's work, taken in that moment, could hold that up for hours.
    fn kept_slots(&self, worker: &WorkerId) -> u32 {
        let leases = self.roster.get(worker).into_iter().flat_map(|member| &member.leases);
        let studies: BTreeSet<&StudyId> = leases.map(|lease| &lease.study).collect();
        let keeps = |study: &&&StudyId| self.studies.get(*study).is_some_and(LiveStudy::keeps_slot);
        studies.iter().filter(keeps).count() as u32
    }

    fn send_grants(&mut self, worker: &WorkerId, leases: &[LeaseId], group: &mut Group) {
        let Some(member) = self.roster.get_mut(worker) else { return };
        let Some(session) = member.session else { return };
        let mut grants = Vec::new();
        for lease in leases {
            let Some(live) = self.studies.get(&lease.study) else { continue };
            let (Some(trial), Some(held)) =
                (live.study().trial(lease.trial), live.study().lease(lease.trial))
            else {
                continue;
            };
            if member.told.insert(lease.study.clone()) {
                let spec = Box::new(live.study().spec().clone());
                group.effects.push(Effect::Send(session, ToWorker::Study(lease.study.clone(), spec)));
            }
            grants.push(Grant {
                lease: lease.clone(),
                hparams: trial.hparams.clone(),
                seed: trial.seed,
                data_seed: live.study().spec().data_seed(lease.trial),
                work: held.work,
            });
        }
        group.effects.push(Effect::Send(session, ToWorker::Grants(grants)));
    }
}

fn evaluates(study: &Study) -> bool {
    study.phase() == StudyPhase::Evaluating
}
