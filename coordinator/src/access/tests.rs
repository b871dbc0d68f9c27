//! Real connections to a coordinator in this process.

mod audit;
mod matrix;
mod own_pki;
mod parsers;
mod refusals;
mod workers;

use std::{path::Path, time::Duration};

use proto::v1::{CertificateRequest, access_service_client::AccessServiceClient};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use trust::{Bearer, Dial, Identity, Link, Pin, Published, Request, Role, Token, Trust};

use super::{Access, NewToken, StoredToken};
use crate::{
    server::{RunError, Server},
    settings::ServeSettings,
};

/// Whatever is refused is refused within this.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// A coordinator with an authority of its own.
pub(super) struct Coordinator {
    pub(super) access: std::sync::Arc<Access>,
    pub(super) published: Published,
    _state: tempfile::TempDir,
    stop: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl Coordinator {
    pub(super) async fn start() -> Self {
        Self::with(|settings| settings).await
    }

    pub(super) async fn with(change: impl FnOnce(ServeSettings) -> ServeSettings) -> Self {
        let state = tempfile::tempdir().unwrap();
        let settings = ServeSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            ..ServeSettings::new(state.path().to_owned())
        };
        let server = Server::bind(change(settings)).await.unwrap();
        let (access, published) = (server.access().clone(), server.published());
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        Self { access, published, _state: state, stop, running }
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }

    pub(super) fn state(&self) -> &Path {
        self._state.path()
    }

    pub(super) fn address(&self) -> &str {
        &self.published.address
    }

    pub(super) fn pin(&self) -> Pin {
        self.access.pin().unwrap()
    }

    pub(super) fn token(&self, role: Role, uses: u32) -> (Token, StoredToken) {
        let life = Duration::from_secs(600);
        self.access.create_token(NewToken { role, name: "test".to_owned(), life, uses }).unwrap()
    }

    /// The way in by TLS, by a token, a certificate, or neither.
    pub(super) fn dial(&self, token: Option<&Token>, identity: Option<&Identity>) -> Dial {
        let trust = Trust::Pinned(self.pin());
        Dial::tls(self.address(), &trust, identity.map(Identity::chain), Bearer::new(token)).unwrap()
    }

    /// A worker's certificate, by a token.
    pub(super) async fn join(&self, token: &Token, worker: &str) -> Result<Identity, Status> {
        let request = Request::new(worker.parse().unwrap()).unwrap();
        let wire = CertificateRequest { worker: worker.to_owned(), csr: request.csr.clone().into() };
        let link = open(&self.dial(Some(token), None)).await;
        let certificate = AccessServiceClient::new(link).join(wire).await?.into_inner().certificate;
        Ok(request.answered(self.address(), self.pin(), certificate.to_vec()).unwrap())
    }

    /// A worker with a certificate.
    pub(super) async fn worker(&self, name: &str) -> Identity {
        self.join(&self.token(Role::Worker, 1).0, name).await.unwrap()
    }

    /// The same coordinator, without TLS, as its own user.
    pub(super) async fn local(&self) -> Link {
        open(&crate::client::dial_published(&self.published).unwrap()).await
    }
}

pub(super) async fn open(dial: &Dial) -> Link {
    dial.connect(SOON, |endpoint| endpoint.timeout(SOON)).await.unwrap()
}
