mod access;

mod data;

mod models;

mod read;

use std::time::Duration;

use common::{study::StudySpec, view::StudyView};
use proto::{
    Malformed, v1 as pb,
    v1::{access_service_client::AccessServiceClient, study_service_client::StudyServiceClient},
};
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};
use trust::{Dial, DialError, Link};

use super::ClientError;
use crate::access::policy;

/// How long a call may take that has no time of its own.
const CALL: Duration = Duration::from_secs(30);

/// How often a silent connection is tried, and how long it may stay silent then.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Largest answer that is read: the trials of a study of a hundred thousand.
const ANSWER_BYTES: usize = 64 << 20;

/// A coordinator that answers.
#[derive(Debug, Clone)]
pub struct Remote {
    address: String,
    client: StudyServiceClient<Link>,
    access: AccessServiceClient<Link>,
}

/// What to do where an unfinished study of the same name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Resume it if its spec is equal; else refuse.
    #[default]
    Match,
    /// Resume it as it is.
    Resume,
    /// Start a new one under the next free name.
    Fresh,
}

impl Remote {
    /// Connects, and makes sure that it is a coordinator that answers and knows the caller.
    pub async fn connect(dial: &Dial, patience: Duration) -> Result<Self, ClientError> {
        let address = dial.address();
        if address.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        {
            return Err(ClientError::Address(address.to_owned()));
        }
        let unreachable = |reason: String| ClientError::Unreachable { address: address.to_owned(), reason };
        let connected = dial.connect(patience, |endpoint| {
            // Without a timeout for all calls: each has its own, and the longest is an upload's.
            endpoint
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .keep_alive_while_idle(true)
        });
        let link = connected.await.map_err(|error| match error {
            DialError::Address(address) => ClientError::Address(address),
            DialError::Unreachable(reason) => unreachable(reason),
        })?;
        let client = StudyServiceClient::new(link.clone()).max_decoding_message_size(ANSWER_BYTES);
        let remote = Self { address: address.to_owned(), client, access: AccessServiceClient::new(link) };
        match timeout(patience, remote.who_am_i()).await {
            Ok(answer) => answer.map(|_| remote),
            Err(_) => Err(unreachable(format!("no answer in {} s", patience.as_secs()))),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stores a study and starts it, or resumes one; says which.
    pub async fn submit(
        &self,
        spec: &StudySpec,
        on_conflict: OnConflict,
    ) -> Result<(StudyView, bool), ClientError> {
        let on_conflict = match on_conflict {
            OnConflict::Match => pb::OnConflict::Unspecified,
            OnConflict::Resume => pb::OnConflict::Resume,
            OnConflict::Fresh => pb::OnConflict::Fresh,
        };
        let request = pb::SubmitStudyRequest { spec_json: spec.to_json(), on_conflict: on_conflict.into() };
        // The checkpoints of trials that are taken over are copied before the answer.
        let time = if spec.is_adopted() { policy::LONG } else { CALL };
        let reply = self.answer(self.client.clone().submit_study(within(time, request)).await)?;
        Ok((self.view(reply.study)?, reply.resumed))
    }

    /// Leases no more of a study's trials until it is resumed.
    pub async fn pause(&self, study: &str) -> Result<StudyView, ClientError> {
        let reply = self.answer(self.client.clone().pause_study(call(named(study))).await)?;
        self.view(Some(reply))
    }

    /// Leases a paused study's trials again.
    pub async fn resume(&self, study: &str) -> Result<StudyView, ClientError> {
        let reply = self.answer(self.client.clone().resume_study(call(named(study))).await)?;
        self.view(Some(reply))
    }

    /// Ends a study; its results stay.
    pub async fn stop(&self, study: &str) -> Result<StudyView, ClientError> {
        let reply = self.answer(self.client.clone().stop_study(call(named(study))).await)?;
        self.view(Some(reply))
    }

    /// Deletes a study whose training is over, and its checkpoints.
    pub async fn delete(&self, study: &str) -> Result<(), ClientError> {
        self.answer(self.client.clone().delete_study(within(policy::LONG, named(study))).await)?;
        Ok(())
    }

    /// Asks a worker to hand back its leases and leave; answers with its whole id.
    pub async fn drain(&self, worker: &str) -> Result<String, ClientError> {
        let request = pb::DrainWorkerRequest { worker: worker.to_owned() };
        Ok(self.answer(self.client.clone().drain_worker(call(request)).await)?.worker)
    }

    /// A study's state now, and then whenever it changes.
    pub async fn watch(&self, study: &str) -> Result<StudyStream, ClientError> {
        let stream = self.answer(self.client.clone().watch_study(call(named(study))).await)?;
        Ok(StudyStream { remote: self.clone(), stream })
    }

    fn view(&self, study: Option<pb::Study>) -> Result<StudyView, ClientError> {
        let study = study.ok_or_else(|| self.failed("it answered without the study"))?;
        self.meant(study.try_into())
    }

    fn answer<T>(&self, answer: Result<tonic::Response<T>, Status>) -> Result<T, ClientError> {
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| ClientError::from_status(&self.address, &status))
    }

    fn meant<T>(&self, parsed: Result<T, Malformed>) -> Result<T, ClientError> {
        parsed.map_err(|error| self.failed(error))
    }

    fn failed(&self, reason: impl ToString) -> ClientError {
        ClientError::Failed { address: self.address.clone(), reason: reason.to_string() }
    }
}

/// A study's states as they change.
#[derive(Debug)]
pub struct StudyStream {
    remote: Remote,
    stream: Streaming<pb::Study>,
}

impl StudyStream {
    /// The next state; none after the study has finished. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<StudyView>, ClientError> {
        match self.stream.message().await {
            Ok(Some(study)) => self.remote.view(Some(study)).map(Some),
            Ok(None) => Ok(None),
            Err(status) => Err(ClientError::from_status(&self.remote.address, &status)),
        }
    }
}

fn call<T>(message: T) -> Request<T> {
    within(CALL, message)
}

/// A call whose answer must begin in this time.
fn within<T>(time: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(time);
    request
}

fn named(study: &str) -> pb::StudyRef {
    pb::StudyRef { study: study.to_owned() }
}
