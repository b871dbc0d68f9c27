//! From what one side says to what the other hears; in a real cluster protobuf lies between.

use std::sync::Arc;

use common::evaluation::Evaluation;
use coordinator::driver::{self, Happened, Hello, ToWorker};
use scheduler::Work;
use worker::session::messages::{self, Grant, Identity, Incoming, News, Welcome};

/// What a worker hears.
pub(crate) fn incoming(message: ToWorker) -> Incoming {
    match message {
        ToWorker::Welcome { lease, heartbeat, still_yours } => {
            Incoming::Welcome(Welcome { lease, heartbeat, still_yours })
        }
        ToWorker::Study(id, spec) => Incoming::Study { id, spec: Ok(Arc::new(*spec)) },
        ToWorker::Grants(grants) => {
            Incoming::Grants(grants.into_iter().map(|grant| Ok(granted(grant))).collect())
        }
        ToWorker::Ack(sequence) => Incoming::Ack(sequence),
        ToWorker::Revoke(leases) => Incoming::Revoke(leases),
        ToWorker::Drain => Incoming::Drain,
    }
}

fn granted(grant: driver::Grant) -> Grant {
    let work = match grant.work {
        Work::Train { from_epoch, to_epoch, resume } => {
            messages::Work::Train { from_epoch, to_epoch, resume }
        }
        Work::Evaluate { checkpoint } => messages::Work::Evaluate { checkpoint },
    };
    Grant {
        lease: grant.lease,
        hparams: grant.hparams,
        trial_seed: grant.seed,
        data_seed: grant.data_seed,
        work,
    }
}

/// What the coordinator hears first.
pub(crate) fn hello(identity: Identity, held: Vec<common::view::LeaseId>) -> Hello {
    Hello {
        worker: identity.worker,
        incarnation: identity.incarnation,
        held: held.into_iter().collect(),
        device: identity.device,
        slots: identity.slots,
        version: String::new(),
        data: identity.data.into_iter().collect(),
    }
}

/// What the coordinator hears of a lease.
pub(crate) fn report(report: messages::Report) -> driver::Report {
    let what = match report.news {
        News::Epoch(point) => Happened::Epoch(point),
        News::Checkpointed(checkpoint) => Happened::Checkpointed(checkpoint),
        News::Finished { last, best, checkpoint, early_stopped, restored } => {
            Happened::Finished { last, best, checkpoint, early_stopped, restored }
        }
        News::NotFinite { last } => Happened::NotFinite(last),
        News::Released { checkpoint } => Happened::Released(checkpoint),
        News::Failed { reason } => Happened::Failed(reason),
        News::Evaluated { epoch, test, validation } => {
            Happened::Evaluated(Evaluation { epoch, test, validation })
        }
    };
    driver::Report { lease: report.lease, what }
}
