//! What a cluster's coordinator is asked, and waited for.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::{
    study::StudySpec,
    view::{BestView, StudyPhase, StudyView, TrialView, WorkerView},
};
use proto::v1::{self as pb, study_service_client::StudyServiceClient};
use trust::{Bearer, Dial, Link, Published};

use super::{Cluster, Row, wait_for};

impl Cluster {
    /// A client of the study service.
    pub async fn client(&self) -> Result<StudyServiceClient<Link>> {
        Ok(StudyServiceClient::new(self.channel().await?))
    }

    /// A connection to the coordinator, as its own user.
    pub async fn channel(&self) -> Result<Link> {
        let published = Published::of_folder(&self.state_seen_from_here()?)
            .context("the coordinator has published nothing")?;
        self.link(&Dial::plain(&published.address, Bearer::new(published.token.as_ref()))).await
    }

    /// A connection to the coordinator, as somebody else.
    pub async fn link(&self, dial: &Dial) -> Result<Link> {
        Ok(dial.connect(Duration::from_secs(10), |endpoint| endpoint).await?)
    }

    /// Submits a study file.
    pub async fn submit(&self, yaml: &str) -> Result<StudyView> {
        let spec = StudySpec::from_yaml(yaml)?;
        let request = pb::SubmitStudyRequest { spec_json: spec.to_json(), on_conflict: 0 };
        let reply = self.client().await?.submit_study(request).await?.into_inner();
        Ok(reply.study.context("a study comes back")?.try_into()?)
    }

    /// A study as it is now.
    pub async fn study(&self, study: &str) -> Result<StudyView> {
        let detail = self.client().await?.get_study(reference(study)).await?.into_inner();
        Ok(detail.study.context("a study comes back")?.try_into()?)
    }

    /// A study's trials as they are now.
    pub async fn trials(&self, study: &str) -> Result<Vec<TrialView>> {
        let reply = self.client().await?.list_trials(reference(study)).await?.into_inner();
        Ok(reply.trials.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
    }

    /// The last epoch of a trial's learning curve; 0 before the first.
    pub async fn trained(&self, study: &str, trial: u32) -> Result<u32> {
        let request = pb::GetTrialRequest { study: study.to_owned(), trial };
        let detail = self.client().await?.get_trial(request).await?.into_inner();
        Ok(detail.curve.last().map_or(0, |point| point.epoch))
    }

    /// A study's best trial.
    pub async fn best(&self, study: &str) -> Result<BestView> {
        Ok(self.client().await?.get_best(reference(study)).await?.into_inner().try_into()?)
    }

    /// Workers that are connected.
    pub async fn connected(&self) -> Result<Vec<WorkerView>> {
        let reply = self.client().await?.list_workers(pb::ListWorkersRequest {}).await?.into_inner();
        Ok(reply.workers.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
    }

    /// Waits until a study satisfies a condition.
    pub async fn until(
        &self,
        study: &str,
        seconds: u64,
        met: impl Fn(&StudyView) -> bool,
    ) -> Result<StudyView> {
        let found = wait_for("the study", seconds, async || {
            let view = self.study(study).await?;
            Ok(met(&view).then_some(view))
        });
        found.await.with_context(|| self.logs())
    }

    /// Waits until a worker holds no lease.
    pub async fn until_idle(&self, worker: &str, seconds: u64) -> Result<()> {
        let idle = wait_for("the worker to lose its leases", seconds, async || {
            let found = self.connected().await?.into_iter().find(|view| view.worker.as_str() == worker);
            Ok(found.is_none_or(|view| view.leases.is_empty()).then_some(()))
        });
        idle.await.with_context(|| self.logs())
    }

    /// Waits until a trial has trained an epoch: its trainer is at work then, and not only told to be.
    pub async fn until_trained(&self, study: &str, trial: u32, seconds: u64) -> Result<()> {
        let trained = wait_for("the trial's first epoch", seconds, async || {
            let request = pb::GetTrialRequest { study: study.to_owned(), trial };
            // Until it is drawn there is no such trial.
            let detail = self.client().await?.get_trial(request).await;
            Ok(detail.is_ok_and(|detail| !detail.get_ref().curve.is_empty()).then_some(()))
        });
        trained.await.with_context(|| self.logs())
    }

    /// Waits until a study has finished, and returns its result table.
    pub async fn table(&self, study: &str) -> Result<Vec<Row>> {
        let view = self.until(study, 300, |view| view.phase == StudyPhase::Finished).await?;
        ensure!(view.complete, "the study is not complete: {view:?}");
        Ok(self.trials(study).await?.into_iter().map(Row::of).collect())
    }
}

fn reference(study: &str) -> pb::StudyRef {
    pb::StudyRef { study: study.to_owned() }
}
