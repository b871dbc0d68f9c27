//! What people and their tools call.

mod history;

mod watch;

use std::{path::PathBuf, pin::Pin, sync::Arc};

use common::{
    ids::{StudyId, TrialNumber},
    study::StudySpec,
    view::StudyView,
};
use futures::Stream;
use proto::v1::{self as pb, study_service_server::StudyService};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::{
    adoption::Adoption,
    data_service::{DataDesk, read_data},
    model_service::ModelDesk,
    status,
    worker_service::read_object,
};
use crate::{
    access::{About, limits},
    blobs::Blobs,
    driver::{self, Answer, Driver, OnConflict},
    resolve::{self, ResolveError},
    store::{Reader, StoreError},
};

/// Most histories that are read at a time: each of them has a thread, and keeps the store's write-ahead log from beginning
/// anew.
const HISTORIES: usize = 4;

/// The study service. Commands go to the driver; everything else is read from the store's rows.
#[derive(Debug, Clone)]
pub struct StudyServer {
    driver: Driver,
    state: Arc<PathBuf>,
    blobs: Arc<Blobs>,
    data: DataDesk,
    models: ModelDesk,
    histories: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl StudyServer {
    /// A service on a driver and its state folder. Its watches run in `tasks` and end with `shutdown`.
    pub fn new(
        driver: Driver,
        state: PathBuf,
        blobs: Arc<Blobs>,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let data = DataDesk::new(driver.clone(), Arc::clone(&blobs));
        let models = ModelDesk::new(driver.clone(), Arc::clone(&blobs));
        let histories = Arc::new(Semaphore::new(HISTORIES));
        Self { driver, state: Arc::new(state), blobs, data, models, histories, tasks, shutdown }
    }

    /// Reads rows on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Status> {
        let state = Arc::clone(&self.state);
        let read = tokio::task::spawn_blocking(move || query(&Reader::open(&state)?));
        let result = read.await.map_err(|_| Status::internal("a query panicked"))?;
        result.map_err(|error| status::store(&error))
    }

    /// The study that a text names.
    async fn resolve(&self, text: String) -> Result<StudyView, Status> {
        self.find(&text, resolve::study).await
    }

    async fn find(&self, text: &str, meant: Meant) -> Result<StudyView, Status> {
        let studies = self.read(Reader::studies).await?;
        let id = meant(&studies, text).map_err(|error| status::unresolved(&error))?;
        studies.into_iter().find(|study| study.id == id).ok_or_else(|| Status::not_found(text))
    }

    /// The study that is to be changed. The audit log has its name and id, or else the text that names none.
    async fn subject(&self, extensions: &Extensions, text: &str, meant: Meant) -> Result<StudyView, Status> {
        About::note(extensions, text);
        let study = self.find(text, meant).await?;
        About::note(extensions, format!("{} ({})", study.name, study.id));
        Ok(study)
    }

    /// Submits a study that takes trials over, for as long as its caller waits.
    async fn adopt(&self, id: StudyId, spec: StudySpec, on_conflict: OnConflict) -> Result<Answer, Status> {
        let (driver, blobs) = (self.driver.clone(), Arc::clone(&self.blobs));
        let gone = CancellationToken::new();
        // Dropped with this call.
        let _waiting = gone.clone().drop_guard();
        let adoption = Adoption { driver, blobs, id, spec, on_conflict };
        let submitted = self.tasks.spawn(adoption.submit(gone)).await;
        submitted.map_err(|_| Status::internal("a submission panicked"))?
    }

    async fn command(
        &self,
        request: Request<pb::StudyRef>,
        command: impl FnOnce(StudyId) -> driver::Request,
    ) -> Result<Response<pb::Study>, Status> {
        let (_, extensions, pb::StudyRef { study }) = request.into_parts();
        let study = self.subject(&extensions, &study, resolve::study).await?;
        match self.driver.ask(command(study.id)).await {
            Ok(Answer::Study(study)) => Ok(Response::new(study.into())),
            Ok(_) => Err(Status::internal("another answer than asked for")),
            Err(error) => Err(status::refused(&error)),
        }
    }
}

/// Which study a text means, among all.
type Meant = fn(&[StudyView], &str) -> Result<StudyId, ResolveError>;
type Watch = Pin<Box<dyn Stream<Item = Result<pb::Study, Status>> + Send>>;
type Pages = Pin<Box<dyn Stream<Item = Result<pb::HistoryPage, Status>> + Send>>;
type Chunks = Pin<Box<dyn Stream<Item = Result<pb::ObjectChunk, Status>> + Send>>;

#[tonic::async_trait]
impl StudyService for StudyServer {
    type WatchStudyStream = Watch;
    type ReadHistoryStream = Pages;
    type ReadObjectStream = Chunks;
    type ReadDataStream = Chunks;

    async fn submit_study(
        &self,
        request: Request<pb::SubmitStudyRequest>,
    ) -> Result<Response<pb::SubmitStudyReply>, Status> {
        let (_, extensions, request) = request.into_parts();
        let on_conflict = match request.on_conflict() {
            pb::OnConflict::Unspecified => OnConflict::Refuse,
            pb::OnConflict::Resume => OnConflict::Resume,
            pb::OnConflict::Fresh => OnConflict::Fresh,
        };
        let spec = StudySpec::from_json(&request.spec_json)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        About::note(&extensions, spec.name.as_str());
        let id = new_study_id(&spec);
        let answer = if spec.is_adopted() {
            self.adopt(id, spec, on_conflict).await?
        } else {
            let submit = driver::Request::Submit { id, spec: Box::new(spec), on_conflict };
            self.driver.ask(submit).await.map_err(|error| status::refused(&error))?
        };
        match answer {
            Answer::Submitted { study, resumed } => {
                About::note(&extensions, study.name.as_str());
                Ok(Response::new(pb::SubmitStudyReply { study: Some(study.into()), resumed }))
            }
            _ => Err(Status::internal("another answer than asked for")),
        }
    }

    async fn list_studies(
        &self,
        _request: Request<pb::ListStudiesRequest>,
    ) -> Result<Response<pb::ListStudiesReply>, Status> {
        let studies = self.read(Reader::studies).await?;
        Ok(Response::new(pb::ListStudiesReply { studies: studies.into_iter().map(Into::into).collect() }))
    }

    async fn get_study(&self, request: Request<pb::StudyRef>) -> Result<Response<pb::StudyDetail>, Status> {
        let study = self.resolve(request.into_inner().study).await?;
        let id = study.id.clone();
        let spec = self.read(move |reader| reader.spec(&id)).await?;
        Ok(Response::new(pb::StudyDetail { study: Some(study.into()), spec_json: spec.to_json() }))
    }

    async fn watch_study(&self, request: Request<pb::StudyRef>) -> Result<Response<Watch>, Status> {
        // Listen first, read then: nothing falls between.
        let updates = self.driver.updates();
        let study = self.resolve(request.into_inner().study).await?;
        let (watcher, stream) = mpsc::channel(16);
        let (server, shutdown) = (self.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = server.publish(study, updates, &watcher) => {}
                () = watcher.closed() => {}
                () = shutdown.cancelled() => {
                    let _ = watcher.send(Err(Status::unavailable("the coordinator is stopping"))).await;
                }
            }
        });
        Ok(Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(stream))))
    }

    async fn pause_study(&self, request: Request<pb::StudyRef>) -> Result<Response<pb::Study>, Status> {
        self.command(request, driver::Request::Pause).await
    }

    async fn resume_study(&self, request: Request<pb::StudyRef>) -> Result<Response<pb::Study>, Status> {
        self.command(request, driver::Request::Resume).await
    }

    async fn stop_study(&self, request: Request<pb::StudyRef>) -> Result<Response<pb::Study>, Status> {
        self.command(request, driver::Request::Stop).await
    }

    async fn delete_study(
        &self,
        request: Request<pb::StudyRef>,
    ) -> Result<Response<pb::DeleteStudyReply>, Status> {
        let (_, extensions, pb::StudyRef { study }) = request.into_parts();
        let study = self.subject(&extensions, &study, resolve::whole).await?;
        self.driver.ask(driver::Request::Delete(study.id)).await.map_err(|error| status::refused(&error))?;
        Ok(Response::new(pb::DeleteStudyReply {}))
    }

    async fn list_trials(
        &self,
        request: Request<pb::StudyRef>,
    ) -> Result<Response<pb::ListTrialsReply>, Status> {
        let study = self.resolve(request.into_inner().study).await?;
        let trials = self.read(move |reader| reader.trials(&study.id)).await?;
        Ok(Response::new(pb::ListTrialsReply { trials: trials.into_iter().map(Into::into).collect() }))
    }

    async fn get_trial(
        &self,
        request: Request<pb::GetTrialRequest>,
    ) -> Result<Response<pb::TrialDetail>, Status> {
        let request = request.into_inner();
        let study = self.resolve(request.study).await?;
        let number = TrialNumber(request.trial);
        let (id, name) = (study.id, study.name);
        let (trial, curve) =
            self.read(move |reader| Ok((reader.trial(&id, number)?, reader.curve(&id, number)?))).await?;
        let trial =
            trial.ok_or_else(|| Status::not_found(format!("study {name} has no trial {number} yet")))?;
        Ok(Response::new(pb::TrialDetail {
            trial: Some(trial.into()),
            curve: curve.into_iter().map(Into::into).collect(),
        }))
    }

    async fn read_history(&self, request: Request<pb::StudyRef>) -> Result<Response<Pages>, Status> {
        let study = self.resolve(request.into_inner().study).await?;
        let (reader, stream) = mpsc::channel(4);
        let server = self.clone();
        self.tasks.spawn(async move {
            if let Err(status) = server.send_history(study.id, reader.clone(), limits::PACE).await {
                let _ = reader.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(stream))))
    }

    async fn get_best(&self, request: Request<pb::StudyRef>) -> Result<Response<pb::Best>, Status> {
        let study = self.resolve(request.into_inner().study).await?;
        let name = study.name;
        let best = self.read(move |reader| reader.best(&study.id)).await?;
        let best = best.ok_or_else(|| Status::not_found(format!("study {name} has no result yet")))?;
        Ok(Response::new(best.into()))
    }

    async fn read_object(&self, request: Request<pb::ObjectName>) -> Result<Response<Chunks>, Status> {
        read_object(&self.tasks, &self.blobs, &request.into_inner()).await
    }

    async fn list_workers(
        &self,
        _request: Request<pb::ListWorkersRequest>,
    ) -> Result<Response<pb::ListWorkersReply>, Status> {
        match self.driver.ask(driver::Request::Workers).await {
            Ok(Answer::Workers(workers)) => Ok(Response::new(pb::ListWorkersReply {
                workers: workers.into_iter().map(Into::into).collect(),
            })),
            Ok(_) => Err(Status::internal("another answer than asked for")),
            Err(error) => Err(status::refused(&error)),
        }
    }

    async fn add_data(
        &self,
        request: Request<Streaming<pb::DataChunk>>,
    ) -> Result<Response<pb::DataSet>, Status> {
        let (_, extensions, chunks) = request.into_parts();
        self.data.add(chunks, &About::of(&extensions)).await.map(Response::new)
    }

    async fn list_data(
        &self,
        _request: Request<pb::ListDataRequest>,
    ) -> Result<Response<pb::ListDataReply>, Status> {
        let sets = self.read(Reader::data).await?;
        Ok(Response::new(pb::ListDataReply { sets: sets.into_iter().map(Into::into).collect() }))
    }

    async fn remove_data(
        &self,
        request: Request<pb::DataRef>,
    ) -> Result<Response<pb::RemoveDataReply>, Status> {
        About::note(request.extensions(), &request.get_ref().name);
        self.data.remove(&request.into_inner().name).await?;
        Ok(Response::new(pb::RemoveDataReply {}))
    }

    async fn read_data(&self, request: Request<pb::DataObject>) -> Result<Response<Chunks>, Status> {
        read_data(&self.tasks, &self.blobs, &request.into_inner()).await.map(Response::new)
    }

    async fn add_model(
        &self,
        request: Request<Streaming<pb::DataChunk>>,
    ) -> Result<Response<pb::Model>, Status> {
        let (_, extensions, chunks) = request.into_parts();
        self.models.add(chunks, &About::of(&extensions)).await.map(Response::new)
    }

    async fn list_models(
        &self,
        _request: Request<pb::ListModelsRequest>,
    ) -> Result<Response<pb::ListModelsReply>, Status> {
        let models = self.read(Reader::models).await?;
        Ok(Response::new(pb::ListModelsReply { models: models.into_iter().map(Into::into).collect() }))
    }

    async fn remove_model(
        &self,
        request: Request<pb::ModelRef>,
    ) -> Result<Response<pb::RemoveModelReply>, Status> {
        About::note(request.extensions(), &request.get_ref().name);
        self.models.remove(&request.into_inner().name).await?;
        Ok(Response::new(pb::RemoveModelReply {}))
    }

    async fn drain_worker(
        &self,
        request: Request<pb::DrainWorkerRequest>,
    ) -> Result<Response<pb::DrainWorkerReply>, Status> {
        let (_, extensions, pb::DrainWorkerRequest { worker }) = request.into_parts();
        About::note(&extensions, &worker);
        match self.driver.ask(driver::Request::DrainWorker(worker)).await {
            Ok(Answer::Draining(worker)) => {
                About::note(&extensions, worker.as_str());
                Ok(Response::new(pb::DrainWorkerReply { worker: worker.into() }))
            }
            Ok(_) => Err(Status::internal("another answer than asked for")),
            Err(error) => Err(status::refused(&error)),
        }
    }
}

/// A new study's id: random, so that no store of another coordinator has it.
fn new_study_id(spec: &StudySpec) -> StudyId {
    use std::hash::{BuildHasher as _, Hasher as _};
    // The standard library seeds each of these from the operating system.
    let mut random = std::hash::RandomState::new().build_hasher();
    random.write(spec.name.as_str().as_bytes());
    let text = format!("{:08x}", random.finish() as u32);
    // Eight hexadecimal digits are a valid id.
    text.parse().unwrap_or_else(|_| unreachable!("{text} is a valid id"))
}
