//! What the members of an ensemble say, as far as they have come to say it.

use common::{
    ids::TrialNumber,
    trial::TrialState,
    view::{StudyView, TrialView},
};
use serde::Serialize;

use super::{super::failure::Failure, Labelled};
use crate::{
    blobs::ObjectKey,
    client::Cluster,
    ensemble::{Answers, Member},
};

/// What was gathered of an ensemble.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Members that vote, in the order of their trials.
    pub(super) members: Vec<Member>,
    /// Members that do not.
    pub(super) failed: Vec<LeftOut>,
    /// Members that there were to be.
    pub(super) planned: u32,
    /// All trials that have begun.
    pub(super) trials: Vec<TrialView>,
}

/// A member that does not vote.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LeftOut {
    trial: TrialNumber,
    reason: String,
}

impl Gathered {
    /// Who does not vote and why, in one line; empty where all do.
    pub(super) fn failures(&self) -> String {
        let texts = self.failed.iter().map(|left| format!("trial {} ({})", left.trial, left.reason));
        texts.collect::<Vec<_>>().join(", ")
    }
}

/// Fetches what all members say of both parts.
pub(super) async fn gather(
    cluster: &Cluster,
    study: &StudyView,
    labelled: &Labelled,
) -> Result<Gathered, Failure> {
    let trials = cluster.trials(study.id.as_str()).await?;
    let (mut members, mut failed) = (Vec::new(), Vec::new());
    for trial in &trials {
        match member(cluster, study, (trial, labelled)).await? {
            Ok(member) => members.push(member),
            Err(reason) => failed.push(LeftOut { trial: trial.trial, reason }),
        }
    }
    for number in trials.len() as u32..study.trials {
        failed.push(LeftOut { trial: TrialNumber(number), reason: "it never began".to_owned() });
    }
    Ok(Gathered { members, failed, planned: study.trials, trials })
}

/// One member, or why it does not vote.
async fn member(
    cluster: &Cluster,
    study: &StudyView,
    (trial, labelled): (&TrialView, &Labelled),
) -> Result<Result<Member, String>, Failure> {
    let Some(evaluation) = &trial.evaluation else {
        let reason = match trial.state {
            TrialState::Stopped => "it was stopped before its training ended",
            _ => "its evaluation failed",
        };
        return Ok(Err(trial.failure.clone().unwrap_or_else(|| reason.to_owned())));
    };
    let keys = ObjectKey::of_evaluation(&study.id, trial.trial, evaluation);
    let [test, validation] = keys.as_slice() else {
        return Ok(Err("its probabilities were not stored".to_owned()));
    };
    let (test, validation) = match (cluster.object(test).await, cluster.object(validation).await) {
        (Ok(test), Ok(validation)) => (test, validation),
        // The cluster is away, and nothing can be said of any member.
        (Err(error), _) | (_, Err(error)) if error.is_transient() => return Err(error.into()),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error.to_string())),
    };
    let (truth, classes) = (&labelled.truth, labelled.classes.len());
    let read = || {
        Ok::<_, crate::ensemble::Unusable>(Member {
            trial: trial.trial,
            validation: Answers::from_bytes(&validation, truth.validation.len(), classes)?,
            test: Answers::from_bytes(&test, truth.test.len(), classes)?,
        })
    };
    Ok(read().map_err(|error| error.to_string()))
}
