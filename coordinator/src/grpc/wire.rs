//! Between the wire's session messages and the driver's.

use std::time::Duration;

use common::{
    checkpoint::Checkpoint,
    evaluation::{Evaluation, Scored},
    ids::StudyId,
    shown::is_harmless,
    study::StudySpec,
    view::{DeviceFacts, LeaseId},
};
use proto::{Malformed, present, v1 as pb};
use scheduler::Work;

use crate::{
    blobs::{ObjectKey, ObjectKind},
    driver::{Grant, Happened, Hello, Report, ToWorker},
};

/// Most characters of a name by a worker.
const MAX_NAME_CHARS: usize = 200;

/// Most characters of the reason for a failure.
const MAX_REASON_CHARS: usize = 1000;

/// A text by a worker, to be stored and shown: with an end, and without characters that could do anything to a terminal.
fn told(text: &str, most: usize) -> String {
    let one_line = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    one_line.filter(|c| is_harmless(*c)).take(most).collect()
}

/// Where a worker trains.
fn device(facts: pb::DeviceFacts) -> DeviceFacts {
    let DeviceFacts { device, name, libtorch, capability, memory_bytes, host } = facts.into();
    DeviceFacts {
        device: told(&device, MAX_NAME_CHARS),
        name: told(&name, MAX_NAME_CHARS),
        libtorch: told(&libtorch, MAX_NAME_CHARS),
        capability: told(&capability, MAX_NAME_CHARS),
        memory_bytes,
        host: told(&host, MAX_NAME_CHARS),
    }
}

/// A worker's Hello, whose protocol version has been checked.
pub(super) fn hello(hello: pb::Hello) -> Result<Hello, Malformed> {
    Ok(Hello {
        worker: hello.worker.parse().map_err(|error| Malformed::new("hello.worker", error))?,
        incarnation: hello.incarnation,
        held: hello.held.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        device: device(present("hello.device", hello.device)?),
        slots: hello.slots.min(1024),
        version: told(&hello.version, MAX_NAME_CHARS),
        data: hello.data.iter().take(1024).map(|name| told(name, MAX_NAME_CHARS)).collect(),
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
        Kind::Failed(failed) => Happened::Failed(told(&failed.reason, MAX_REASON_CHARS)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_says_has_an_end_and_does_nothing_to_a_terminal() {
        let wild = format!("GPU\x1b]0;title\x07\u{9b}2J\0\u{202e} {}", "é".repeat(1 << 20));
        let facts = pb::DeviceFacts {
            device: wild.clone(),
            name: wild.clone(),
            libtorch: wild.clone(),
            capability: wild.clone(),
            memory_bytes: 1,
            host: wild.clone(),
        };
        let said = pb::Hello {
            worker: "node-1".to_owned(),
            device: Some(facts),
            version: wild.clone(),
            data: vec![wild.clone()],
            ..pb::Hello::default()
        };
        let Hello { device, version, data, .. } = hello(said).unwrap();
        let lease = pb::Lease { study: "0a1b2c3d".to_owned(), trial: 1, attempt: 1 };
        let failed = pb::AttemptFailed { reason: format!("out of\nmemory: {wild}") };
        let kind = Some(pb::report::Kind::Failed(failed));
        let Happened::Failed(reason) = report(pb::Report { lease: Some(lease), kind }).unwrap().what else {
            panic!("it failed");
        };
        assert!(reason.starts_with("out of memory: GPU"), "{reason}");
        let DeviceFacts { device, name, libtorch, capability, host, .. } = device;
        let data = data.into_iter().next().unwrap();
        let names =
            [device, name, libtorch, capability, host, version, data].map(|name| (name, MAX_NAME_CHARS));
        for (text, most) in names.into_iter().chain([(reason, MAX_REASON_CHARS)]) {
            assert_eq!(text.chars().count(), most);
            assert!(text.chars().all(is_harmless), "{text:?}");
        }
        assert_eq!(told("NVIDIA H200 (2.13.0)", MAX_NAME_CHARS), "NVIDIA H200 (2.13.0)");
    }
}
