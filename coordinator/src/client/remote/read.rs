//! What a coordinator tells.

use bytes::Bytes;
use common::{
    checkpoint::Digest,
    history::History,
    ids::TrialNumber,
    metrics::CurvePoint,
    study::StudySpec,
    view::{BestView, StudyView, TrialView, WorkerView},
};
use proto::v1 as pb;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use super::{super::ClientError, CALL, Remote, call, named, within};
use crate::{
    access::policy,
    blobs::{BlobError, ObjectKey, ObjectKind},
};

impl Remote {
    pub(in crate::client) async fn studies(&self) -> Result<Vec<StudyView>, ClientError> {
        let reply = self.answer(self.client.clone().list_studies(call(pb::ListStudiesRequest {})).await)?;
        self.meant(reply.studies.into_iter().map(TryInto::try_into).collect())
    }

    /// One study and what it was asked to do.
    pub async fn study(&self, study: &str) -> Result<(StudyView, StudySpec), ClientError> {
        let reply = self.answer(self.client.clone().get_study(call(named(study))).await)?;
        let spec = StudySpec::from_json(&reply.spec_json).map_err(|error| self.failed(error))?;
        Ok((self.view(reply.study)?, spec))
    }

    /// A study's trials by number; those not drawn yet are left out.
    pub async fn trials(&self, study: &str) -> Result<Vec<TrialView>, ClientError> {
        let reply = self.answer(self.client.clone().list_trials(call(named(study))).await)?;
        self.meant(reply.trials.into_iter().map(TryInto::try_into).collect())
    }

    pub(in crate::client) async fn trial(
        &self,
        study: &str,
        trial: TrialNumber,
    ) -> Result<(TrialView, Vec<CurvePoint>), ClientError> {
        let request = pb::GetTrialRequest { study: study.to_owned(), trial: trial.0 };
        let reply = self.answer(self.client.clone().get_trial(call(request)).await)?;
        let view = reply.trial.ok_or_else(|| self.failed("it answered without the trial"))?;
        let curve = reply.curve.into_iter().map(TryInto::try_into).collect();
        Ok((self.meant(view.try_into())?, self.meant(curve)?))
    }

    pub(in crate::client) async fn history(&self, study: &str) -> Result<History, ClientError> {
        let mut pages = self.answer(self.client.clone().read_history(call(named(study))).await)?;
        let mut history = History::default();
        loop {
            match timeout(CALL, pages.message()).await {
                Ok(Ok(Some(page))) => history.append(self.meant(page.try_into())?),
                Ok(Ok(None)) => return Ok(history),
                Ok(Err(status)) => return Err(ClientError::from_status(&self.address, &status)),
                Err(_) => return Err(self.failed(format!("no page of the history came in {CALL:?}"))),
            }
        }
    }

    pub(in crate::client) async fn best(&self, study: &str) -> Result<BestView, ClientError> {
        match self.answer(self.client.clone().get_best(call(named(study))).await) {
            Ok(reply) => self.meant(reply.try_into()),
            // Where the study is there, what is missing is a result.
            Err(refused @ ClientError::Refused(_)) => match self.study(study).await {
                Ok((view, _)) => Err(ClientError::without_best(&view)),
                Err(_) => Err(refused),
            },
            Err(error) => Err(error),
        }
    }

    /// Workers that are connected now.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, ClientError> {
        let reply = self.answer(self.client.clone().list_workers(call(pb::ListWorkersRequest {})).await)?;
        self.meant(reply.workers.into_iter().map(TryInto::try_into).collect())
    }

    pub(in crate::client) async fn object(&self, key: &ObjectKey) -> Result<Bytes, ClientError> {
        // It waits for room in the coordinator's memory.
        let request = within(policy::USUAL, object_name(key));
        let reply = self.client.clone().read_object(request).await;
        if reply.as_ref().is_err_and(|status| status.code() == Code::NotFound) {
            return Err(BlobError::Missing(key.path().to_string()).into());
        }
        self.collect(self.answer(reply)?, key.digest).await
    }

    /// Chunks put together, which must have the digest.
    pub(super) async fn collect(
        &self,
        mut chunks: Streaming<pb::ObjectChunk>,
        digest: Digest,
    ) -> Result<Bytes, ClientError> {
        let mut bytes = Vec::new();
        loop {
            match timeout(CALL, chunks.message()).await {
                Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk.data),
                Ok(Ok(None)) => break,
                Ok(Err(status)) => return Err(ClientError::from_status(&self.address, &status)),
                Err(_) => return Err(self.failed(format!("no piece of {digest} came in {CALL:?}"))),
            }
        }
        if Digest::of(&bytes) == digest {
            Ok(bytes.into())
        } else {
            Err(BlobError::Damaged(digest.to_string()).into())
        }
    }
}

fn object_name(key: &ObjectKey) -> pb::ObjectName {
    let kind = match key.kind {
        ObjectKind::Weights => pb::ObjectKind::Weights,
        ObjectKind::State => pb::ObjectKind::State,
        ObjectKind::Probabilities => pb::ObjectKind::Probabilities,
        ObjectKind::ValidationProbabilities => pb::ObjectKind::ValidationProbabilities,
    };
    pb::ObjectName {
        study: key.study.to_string(),
        trial: key.trial.0,
        epoch: key.epoch,
        kind: kind.into(),
        digest: key.digest.to_string(),
    }
}
