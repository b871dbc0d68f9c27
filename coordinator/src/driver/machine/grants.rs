//! What is given out: leases, fairly.

use std::collections::BTreeMap;

use common::{ids::WorkerId, time::Timestamp, view::LeaseId};
use scheduler::{Event, Input as StudyInput};

use super::{
    super::{Effect, Grant, Group, ToWorker, live_study::LiveStudy},
    Machine,
};

impl Machine {
    /// Gives out leases, one to each idle worker in turn, always of the study that has the fewest.
    pub(super) fn assign(&mut self, now: Timestamp, group: &mut Group) {
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
        let member = self.roster.get(worker)?;
        let trainable = |live: &&mut LiveStudy| member.can_train(live.study().spec());
        let fitting = self.studies.values_mut().filter(trainable).filter(|live| live.study().leasable() > 0);
        let live = fitting.min_by_key(|live| (live.study().leases().count(), live.study().created()))?;
        let input = StudyInput::Lease { worker: worker.clone(), most: 1 };
        let events = match live.step(now, &input, &mut group.commit) {
            Ok(events) => events,
            Err(refusal) => {
                tracing::debug!(study = %live.id(), %worker, %refusal, "no lease granted");
                return None;
            }
        };
        let (trial, attempt) = events.iter().find_map(|event| match event {
            Event::Granted { trial, attempt, .. } => Some((*trial, *attempt)),
            _ => None,
        })?;
        let lease = LeaseId { study: live.id().clone(), trial, attempt };
        tracing::info!(%lease, %worker, "lease granted");
        self.roster.granted(worker, lease.clone());
        Some(lease)
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
