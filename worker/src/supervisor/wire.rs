//! The session's messages on the wire: the only place where the supervisor sees the protocol's types.

use std::{sync::Arc, time::Duration};

use common::{checkpoint::Checkpoint, study::StudySpec, view::LeaseId};
use proto::{Malformed, v1 as pb};

use crate::session::messages::{Grant, Incoming, News, Outgoing, Report, Unusable, Welcome, Work};

/// Reads a message of the coordinator.
pub(super) fn incoming(message: pb::CoordinatorMessage) -> Result<Incoming, Malformed> {
    use pb::coordinator_message::Kind;
    Ok(match message.kind.ok_or_else(|| Malformed::new("coordinator_message.kind", "missing"))? {
        Kind::Welcome(welcome) if welcome.protocol != proto::PROTOCOL => {
            let versions = format!("it is {}, this worker speaks {}", welcome.protocol, proto::PROTOCOL);
            return Err(Malformed::new("welcome.protocol", versions));
        }
        Kind::Welcome(welcome) => Incoming::Welcome(Welcome {
            lease: Duration::from_millis(welcome.lease_ms),
            heartbeat: Duration::from_millis(welcome.heartbeat_ms),
            still_yours: leases(welcome.still_yours)?,
        }),
        Kind::Study(notice) => Incoming::Study {
            id: notice.study.parse().map_err(|error| Malformed::new("study_notice.study", error))?,
            spec: StudySpec::from_json(&notice.spec_json).map(Arc::new).map_err(|error| error.to_string()),
        },
        Kind::Grants(grants) => {
            Incoming::Grants(grants.grants.into_iter().map(grant).collect::<Result<_, _>>()?)
        }
        Kind::Ack(ack) => Incoming::Ack(ack.sequence),
        Kind::Revoke(revoke) => Incoming::Revoke(leases(revoke.leases)?),
        Kind::Drain(pb::Drain {}) => Incoming::Drain,
    })
}

fn leases(leases: Vec<pb::Lease>) -> Result<Vec<LeaseId>, Malformed> {
    leases.into_iter().map(TryInto::try_into).collect()
}

/// A grant whose lease is readable but whose work is not still has to be answered.
fn grant(grant: pb::Grant) -> Result<Result<Grant, Unusable>, Malformed> {
    let lease =
        LeaseId::try_from(grant.lease.clone().ok_or_else(|| Malformed::new("grant.lease", "missing"))?)?;
    let parsed = parts(grant, lease.clone());
    Ok(parsed.map_err(|error| Unusable { lease, reason: error.to_string() }))
}

fn parts(grant: pb::Grant, lease: LeaseId) -> Result<Grant, Malformed> {
    use pb::grant::Work as Kind;
    let work = match grant.work.ok_or_else(|| Malformed::new("grant.work", "missing"))? {
        Kind::Train(train) => Work::Train {
            from_epoch: train.from_epoch,
            to_epoch: train.to_epoch,
            resume: train.resume.map(Checkpoint::try_from).transpose()?,
        },
        Kind::Evaluate(evaluate) => {
            let checkpoint =
                evaluate.checkpoint.ok_or_else(|| Malformed::new("evaluate_work.checkpoint", "missing"))?;
            Work::Evaluate { checkpoint: checkpoint.try_into()? }
        }
    };
    let (trial_seed, data_seed) = (grant.trial_seed, grant.data_seed);
    Ok(Grant { lease, hparams: proto::hparams(grant.hparams)?, trial_seed, data_seed, work })
}

/// Writes a message of the worker.
pub(super) fn outgoing(message: Outgoing) -> pb::WorkerMessage {
    use pb::worker_message::Kind;
    let kind = match message {
        Outgoing::Hello { identity, held } => Kind::Hello(pb::Hello {
            protocol: proto::PROTOCOL,
            worker: identity.worker.into(),
            incarnation: identity.incarnation,
            held: held.into_iter().map(Into::into).collect(),
            device: Some(identity.device.into()),
            slots: identity.slots,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: identity.data,
        }),
        Outgoing::Credits { free, granted } => Kind::Credits(pb::Credits { free, granted }),
        Outgoing::Reports { sequence, reports } => {
            Kind::Reports(pb::Reports { sequence, reports: reports.into_iter().map(report).collect() })
        }
        Outgoing::Heartbeat => Kind::Heartbeat(pb::Heartbeat {}),
    };
    pb::WorkerMessage { kind: Some(kind) }
}

fn report(report: Report) -> pb::Report {
    use pb::report::Kind;
    let kind = match report.news {
        News::Epoch(point) => Kind::Epoch(point.into()),
        News::Checkpointed(checkpoint) => Kind::Checkpointed(checkpoint.into()),
        News::Finished { last, best, checkpoint, early_stopped, restored } => {
            Kind::Finished(pb::TrainingFinished {
                last: Some(last.into()),
                best: Some(best.into()),
                checkpoint: Some(checkpoint.into()),
                early_stopped,
                restored: restored.map(Into::into),
            })
        }
        News::NotFinite { last } => Kind::NotFinite(pb::NotFinite { last: Some(last.into()) }),
        News::Released { checkpoint } => {
            Kind::Released(pb::Released { checkpoint: checkpoint.map(Into::into) })
        }
        News::Failed { reason } => Kind::Failed(pb::AttemptFailed { reason }),
        News::Evaluated { epoch, test, validation } => {
            let test = pb::Scored::from(test);
            let validation = validation.map(pb::Scored::from).unwrap_or_default();
            Kind::Evaluated(pb::Evaluated {
                epoch,
                test: test.metrics,
                probabilities: test.probabilities,
                validation: validation.metrics,
                validation_probabilities: validation.probabilities,
            })
        }
    };
    pb::Report { lease: Some(report.lease.into()), kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::lease;

    fn message(kind: pb::coordinator_message::Kind) -> Result<Incoming, Malformed> {
        incoming(pb::CoordinatorMessage { kind: Some(kind) })
    }

    #[test]
    fn a_grant_without_usable_work_still_names_its_lease() {
        let grants = vec![pb::Grant { lease: Some(lease(4, 2).into()), ..pb::Grant::default() }];
        let parsed = message(pb::coordinator_message::Kind::Grants(pb::Grants { grants })).unwrap();
        let Incoming::Grants(grants) = parsed else { panic!("{parsed:?}") };
        assert_eq!(grants[0].as_ref().unwrap_err().lease, lease(4, 2));
    }

    #[test]
    fn another_protocol_is_refused_by_name() {
        let welcome = pb::Welcome { protocol: 9, ..pb::Welcome::default() };
        let error = message(pb::coordinator_message::Kind::Welcome(welcome)).unwrap_err();
        assert_eq!(error.to_string(), "field welcome.protocol: it is 9, this worker speaks 5");
    }

    #[test]
    fn a_study_that_cannot_be_read_is_remembered_with_the_reason() {
        let notice = pb::StudyNotice { study: "00c0ffee".to_owned(), spec_json: "{".to_owned() };
        let parsed = message(pb::coordinator_message::Kind::Study(notice)).unwrap();
        assert!(matches!(parsed, Incoming::Study { spec: Err(_), .. }));
    }
}
