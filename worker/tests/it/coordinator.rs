//! A coordinator for tests: it decides nothing, a test tells it what to say.

mod service;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{checkpoint::Digest, hparams::Hparams};
use proto::v1::{
    self as pb, coordinator_message::Kind as Down, report::Kind as News, worker_message::Kind as Up,
    worker_service_server::WorkerServiceServer,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, Streaming, transport::Server};

use self::service::Service;

/// Longest time that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The study of all tests; its only parameter keeps trials apart.
pub(crate) const STUDY: &str = "00c0ffee";

/// Objects by digest.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A coordinator on a port of its own.
pub(crate) struct Coordinator {
    address: SocketAddr,
    objects: Objects,
    sessions: mpsc::Receiver<Session>,
    server: JoinHandle<()>,
}

/// One stream of one worker, after Hello.
pub(crate) struct Session {
    pub(crate) hello: pb::Hello,
    up: Streaming<pb::WorkerMessage>,
    down: mpsc::Sender<Result<pb::CoordinatorMessage, Status>>,
    /// Whether reports are acknowledged as they come.
    pub(crate) acks: bool,
    /// Free slots, as the worker last said.
    free: Option<u32>,
}

impl Coordinator {
    pub(crate) async fn start() -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), Objects::default()).await
    }

    async fn on(address: SocketAddr, objects: Objects) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::channel(8);
        let service = WorkerServiceServer::new(Service { sessions: sender, objects: objects.clone() });
        let server =
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        Self { address, objects, sessions, server: tokio::spawn(async { server.await.unwrap() }) }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next worker that comes, before it is welcomed.
    pub(crate) async fn session(&mut self) -> Session {
        timeout(PATIENCE, self.sessions.recv()).await.expect("a worker comes").unwrap()
    }

    /// The next worker, welcomed with a long lease and told of the study.
    pub(crate) async fn join(&mut self) -> Session {
        let session = self.session().await;
        session.welcome(30_000, session.hello.held.clone()).await;
        session
    }

    /// Ends with all its connections; what was stored stays.
    pub(crate) async fn stop(self) -> Stopped {
        self.server.abort();
        drop(self.server.await);
        Stopped { address: self.address, objects: self.objects }
    }

    /// Keeps an object, as if it had been stored before.
    pub(crate) fn keep(&self, bytes: &[u8]) {
        self.objects.lock().unwrap().insert(Digest::of(bytes).to_string(), bytes.to_vec());
    }

    pub(crate) fn object(&self, digest: &str) -> Option<Vec<u8>> {
        self.objects.lock().unwrap().get(digest).cloned()
    }
}

/// A coordinator that is away.
pub(crate) struct Stopped {
    address: SocketAddr,
    objects: Objects,
}

impl Stopped {
    pub(crate) async fn start(self) -> Coordinator {
        Coordinator::on(self.address, self.objects).await
    }
}

impl Session {
    /// Says Welcome, and what the study of all tests is.
    pub(crate) async fn welcome(&self, lease_ms: u64, still_yours: Vec<pb::Lease>) {
        let welcome =
            pb::Welcome { protocol: proto::PROTOCOL, lease_ms, heartbeat_ms: lease_ms / 6, still_yours };
        self.say(Down::Welcome(welcome)).await;
    }

    pub(crate) async fn study(&self, train: &str) {
        self.study_with(&format!("train: {{{train}}}")).await;
    }

    /// Says what the study of all tests is, one more line of its file included.
    pub(crate) async fn study_with(&self, line: &str) {
        let yaml = format!("name: drill\nmodel: formula\nspace:\n  x: {{float: [0.0, 1.0]}}\n{line}\n");
        let spec = common::study::StudySpec::from_yaml(&yaml).unwrap();
        self.say(Down::Study(pb::StudyNotice { study: STUDY.to_owned(), spec_json: spec.to_json() })).await;
    }

    pub(crate) async fn say(&self, kind: Down) {
        self.down.send(Ok(pb::CoordinatorMessage { kind: Some(kind) })).await.unwrap();
    }

    /// Grants a stretch of training; the hyperparameters and the seed are the trial's, whatever its number.
    pub(crate) async fn train(&self, lease: &pb::Lease, hparams: &Hparams, work: pb::TrainWork) {
        self.grant(lease, hparams, pb::grant::Work::Train(work)).await;
    }

    pub(crate) async fn grant(&self, lease: &pb::Lease, hparams: &Hparams, work: pb::grant::Work) {
        let grant = pb::Grant {
            lease: Some(lease.clone()),
            hparams: proto::scalars(hparams),
            trial_seed: 7,
            data_seed: 0,
            work: Some(work),
        };
        self.say(Down::Grants(pb::Grants { grants: vec![grant] })).await;
    }

    /// The worker's next message; reports are acknowledged.
    pub(crate) async fn next(&mut self) -> Up {
        let message = timeout(PATIENCE, self.up.message()).await.expect("the worker says something");
        let kind = message.unwrap().expect("the stream stands").kind.unwrap();
        if let Up::Credits(credits) = &kind {
            self.free = Some(credits.free);
        }
        if let Up::Reports(batch) = &kind
            && self.acks
        {
            self.say(Down::Ack(pb::Ack { sequence: batch.sequence })).await;
        }
        kind
    }

    /// Waits until the worker has so many free slots.
    pub(crate) async fn credits(&mut self, free: u32) {
        let credits = async {
            while self.free != Some(free) {
                self.next().await;
            }
        };
        timeout(PATIENCE, credits).await.expect("the worker says so");
    }

    /// What is reported of a lease up to its end.
    pub(crate) async fn reports(&mut self, lease: &pb::Lease) -> Vec<News> {
        timeout(PATIENCE, self.reports_at_last(lease)).await.expect("the lease ends")
    }

    async fn reports_at_last(&mut self, lease: &pb::Lease) -> Vec<News> {
        let mut news = Vec::new();
        loop {
            let Up::Reports(batch) = self.next().await else { continue };
            for report in batch.reports {
                assert_eq!(report.lease.as_ref(), Some(lease));
                news.push(report.kind.unwrap());
            }
            if news.iter().any(|kind| !matches!(kind, News::Epoch(_) | News::Checkpointed(_))) {
                return news;
            }
        }
    }

    /// Waits until the stream is closed by the worker.
    pub(crate) async fn closed(&mut self) {
        while let Ok(Some(_)) = timeout(PATIENCE, self.up.message()).await.expect("the worker leaves") {}
    }
}

pub(crate) fn lease(trial: u32, attempt: u64) -> pb::Lease {
    pb::Lease { study: STUDY.to_owned(), trial, attempt }
}

pub(crate) fn epochs(from_epoch: u32, to_epoch: u32) -> pb::TrainWork {
    pb::TrainWork { from_epoch, to_epoch, resume: None }
}
