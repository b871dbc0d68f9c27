//! Between the wire's session messages and the driver's.

use std::time::Duration;

use common::{
    checkpoint::Checkpoint,
    evaluation::{Evaluation, Scored},
    ids::StudyId,
    study::StudySpec,
    view::LeaseId,
};
use proto::{Malformed, v1 as pb};
use scheduler::Work;

use crate::{
    blobs::{ObjectKey, ObjectKind},
    driver::{Grant, Happened, Hello, Report, ToWorker},
};

/// A message's field that must be there.
pub(super) fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new(field, "missing"))
}

/// A worker's Hello, whose protocol version has been checked.
pub(super) fn hello(hello: pb::Hello) -> Result<Hello, Malformed> {
    Ok(Hello {
        worker: hello.worker.parse().map_err(|error| Malformed::new("hello.worker", error))?,
        incarnation: hello.incarnation,
        held: hello.held.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        device: present("hello.device", hello.device)?.into(),
        slots: hello.slots.min(1024),
        version: hello.version,
        data: hello.data.into_iter().take(1024).collect(),
    })
}

/// One report.
pub(crate) fn report(report: pb::Report) -> Result<Report, Malformed> {
    use pb::report::Kind;
    let lease = present("report.lease", report.lease)?.try_into()?;
    let what = match present("report.kind", report.kind)? {
        Kind::Epoch(point) => Happened::Epoch(point.try_into()?),
        Kind::Checkpointed(checkpoint) => Happened::Checkpointed(checkpoint.try_into()?),
        Kind::Finished(finished) => Happened::Finished {
            last: present("finished.last", finished.last)?.try_into()?,
            best: present("finished.best", finished.best)?.into(),
            checkpoint: present("finished.checkpoint", finished.checkpoint)?.try_into()?,
            early_stopped: finished.early_stopped,
            restored: finished.restored.map(Into::into),
        },
        Kind::NotFinite(result) => Happened::NotFinite(present("not_finite.last", result.last)?.try_into()?),
        Kind::Released(released) => {
            Happened::Released(released.checkpoint.map(TryInto::try_into).transpose()?)
        }
        Kind::Failed(failed) => Happened::Failed(failed.reason.chars().take(2000).collect()),
        Kind::Evaluated(evaluated) => Happened::Evaluated(evaluation(evaluated)?),
    };
    Ok(Report { lease, what })
}

/// What an evaluation found, with its probabilities; a study that validates on nothing has no validation part.
fn evaluation(evaluated: pb::Evaluated) -> Result<Evaluation, Malformed> {
    let scored = |metrics: pb::TestMetrics, field: &'static str, digest: &str| {
        let probabilities = Some(digest.parse().map_err(|error| Malformed::new(field, error))?);
        Ok(Scored { metrics: metrics.into(), probabilities })
    };
    let test = present("evaluated.test", evaluated.test)?;
    let validation = |metrics| {
        let digest = &evaluated.validation_probabilities;
        scored(metrics, "evaluated.validation_probabilities", digest)
    };
    Ok(Evaluation {
        epoch: evaluated.epoch,
        test: scored(test, "evaluated.probabilities", &evaluated.probabilities)?,
        validation: evaluated.validation.map(validation).transpose()?,
    })
}

/// The objects that a report names, which must be stored before the report counts.
pub(super) fn named_objects(lease: &LeaseId, what: &Happened) -> Vec<ObjectKey> {
    if let Happened::Evaluated(evaluation) = what {
        return ObjectKey::of_evaluation(&lease.study, lease.trial, evaluation);
    }
    let checkpoint = named_checkpoint(what);
    let keys = checkpoint.map(|checkpoint| ObjectKey::of_checkpoint(&lease.study, lease.trial, checkpoint));
    keys.into_iter().flatten().collect()
}

/// The checkpoint that a report names.
fn named_checkpoint(what: &Happened) -> Option<&Checkpoint> {
    match what {
        Happened::Checkpointed(checkpoint) | Happened::Finished { checkpoint, .. } => Some(checkpoint),
        Happened::Released(checkpoint) => checkpoint.as_ref(),
        Happened::Epoch(_)
        | Happened::NotFinite(_)
        | Happened::Failed(_)
        | Happened::Evaluated(_)
        | Happened::Missing => None,
    }
}

/// An object's name.
pub(crate) fn object_key(name: &pb::ObjectName) -> Result<ObjectKey, Malformed> {
    Ok(ObjectKey {
        study: name.study.parse().map_err(|error| Malformed::new("object.study", error))?,
        trial: common::ids::TrialNumber(name.trial),
        epoch: name.epoch,
        kind: match name.kind() {
            pb::ObjectKind::Unspecified => return Err(Malformed::new("object.kind", "unspecified")),
            pb::ObjectKind::Weights => ObjectKind::Weights,
            pb::ObjectKind::State => ObjectKind::State,
            pb::ObjectKind::Probabilities => ObjectKind::Probabilities,
            pb::ObjectKind::ValidationProbabilities => ObjectKind::ValidationProbabilities,
        },
        digest: name.digest.parse().map_err(|error| Malformed::new("object.digest", error))?,
    })
}

/// A message for a worker.
pub(super) fn to_worker(message: ToWorker) -> pb::CoordinatorMessage {
    use pb::coordinator_message::Kind;
    let kind = match message {
        ToWorker::Welcome { lease, heartbeat, still_yours } => Kind::Welcome(pb::Welcome {
            protocol: proto::PROTOCOL,
            lease_ms: millis(lease),
            heartbeat_ms: millis(heartbeat),
            still_yours: leases(still_yours),
        }),
        ToWorker::Study(study, spec) => Kind::Study(notice(study, &spec)),
        ToWorker::Grants(grants) => {
            Kind::Grants(pb::Grants { grants: grants.into_iter().map(grant).collect() })
        }
        ToWorker::Ack(sequence) => Kind::Ack(pb::Ack { sequence }),
        ToWorker::Revoke(revoked) => Kind::Revoke(pb::Revoke { leases: leases(revoked) }),
        ToWorker::Drain => Kind::Drain(pb::Drain {}),
    };
    pb::CoordinatorMessage { kind: Some(kind) }
}

fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}

fn leases(leases: Vec<LeaseId>) -> Vec<pb::Lease> {
    leases.into_iter().map(Into::into).collect()
}

fn notice(study: StudyId, spec: &StudySpec) -> pb::StudyNotice {
    pb::StudyNotice { study: study.into(), spec_json: spec.to_json() }
}

fn grant(grant: Grant) -> pb::Grant {
    use pb::grant::Work as Wire;
    let work = match grant.work {
        Work::Train { from_epoch, to_epoch, resume } => {
            Wire::Train(pb::TrainWork { from_epoch, to_epoch, resume: resume.map(Into::into) })
        }
        Work::Evaluate { checkpoint } => {
            Wire::Evaluate(pb::EvaluateWork { checkpoint: Some(checkpoint.into()) })
        }
    };
    pb::Grant {
        lease: Some(grant.lease.into()),
        hparams: proto::scalars(&grant.hparams),
        trial_seed: grant.seed,
        data_seed: grant.data_seed,
        work: Some(work),
    }
}
