use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use common::ids::WorkerId;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

use crate::{TlsError, Token, Trust, published::is_loopback, socket::prompt, tls, verify::FOREIGN};

/// The header by which a worker without a certificate says who it is. Believed only of the coordinator's own user.
pub const WORKER_HEADER: &str = "rung-worker";

/// A connection over which every call says who calls.
pub type Link = InterceptedService<Channel, Bearer>;

/// What a caller adds to its calls.
#[derive(Clone, Default)]
pub struct Bearer {
    token: Option<MetadataValue<Ascii>>,
    worker: Option<MetadataValue<Ascii>>,
}

impl Bearer {
    /// Sends a token with every call.
    pub fn new(token: Option<&Token>) -> Self {
        let token = token.and_then(|token| {
            let mut value = MetadataValue::try_from(format!("Bearer {}", token.reveal())).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { token, worker: None }
    }

    /// Also says by which worker the call is made.
    pub fn of_worker(self, worker: &WorkerId) -> Self {
        Self { worker: worker.as_str().parse().ok(), ..self }
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(worker) = &self.worker {
            request.metadata_mut().insert(WORKER_HEADER, worker.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("token", &self.token.is_some()).field("worker", &self.worker).finish()
    }
}

/// How to reach a coordinator: where it is, how it is known, and how to be known by it.
#[derive(Clone)]
pub struct Dial {
    address: String,
    tls: Option<Arc<ClientConfig>>,
    bearer: Bearer,
}

impl Dial {
    /// Without TLS: for this machine's own addresses.
    pub fn plain(address: &str, bearer: Bearer) -> Self {
        Self { address: address.to_owned(), tls: None, bearer }
    }

    /// With TLS, showing a certificate where there is one.
    pub fn tls(
        address: &str,
        trust: &Trust,
        identity: Option<(
            Vec<rustls::pki_types::CertificateDer<'static>>,
            rustls::pki_types::PrivateKeyDer<'static>,
        )>,
        bearer: Bearer,
    ) -> Result<Self, TlsError> {
        let config = tls::client(trust, identity)?;
        Ok(Self { address: address.to_owned(), tls: Some(Arc::new(config)), bearer })
    }

    /// Where it leads.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether packets may leave this machine without being encrypted.
    pub fn is_exposed(&self) -> bool {
        self.tls.is_none() && !is_loopback(&self.address)
    }

    /// Connects within `patience`; `tune` sets what else an endpoint has. Fails with what the innermost layer said.
    pub async fn connect(
        &self,
        patience: Duration,
        tune: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Link, DialError> {
        let uri: Uri = format!("http://{}", self.address)
            .parse()
            .map_err(|_| DialError::Address(self.address.clone()))?;
        let endpoint = tune(Endpoint::from(uri).connect_timeout(patience).tcp_nodelay(true));
        let dial = self.clone();
        let connector = service_fn(move |_: Uri| {
            let dial = dial.clone();
            async move { dial.open().await }
        });
        let channel = endpoint.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| DialError::Unreachable(root_cause(&error)))?;
        Ok(InterceptedService::new(channel, self.bearer.clone()))
    }

    async fn open(&self) -> io::Result<Io> {
        let tcp = TcpStream::connect(&self.address).await?;
        prompt(&tcp)?;
        let Some(config) = &self.tls else { return Ok(TokioIo::new(Box::new(tcp))) };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        match TlsConnector::from(Arc::clone(config)).connect(name, tcp).await {
            Ok(stream) => Ok(TokioIo::new(Box::new(stream))),
            Err(error) => Err(explained(error)),
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Dial");
        shown.field("address", &self.address).field("tls", &self.tls.is_some());
        shown.field("bearer", &self.bearer).finish()
    }
}

/// A byte stream of either kind.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

type Io = TokioIo<Box<dyn Stream>>;

/// A failed handshake in words that say what to do.
fn explained(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return io::Error::other("what answers there closes the connection instead of speaking TLS");
    }
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::General(text)) if text == FOREIGN => io::Error::other(FOREIGN),
        Some(rustls::Error::InvalidCertificate(reason)) => {
            io::Error::other(format!("the coordinator's certificate is not accepted: {reason}"))
        }
        Some(rustls::Error::InvalidMessage(_)) => io::Error::other("what answers there does not speak TLS"),
        _ => error,
    }
}

/// What an error comes from in the end, such as `connection refused`; those around it may only say `transport error`.
pub fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The text is no address.
    #[error("`{0}` is no address: HOST:PORT is expected")]
    Address(String),
    /// Nobody answers, or not as was expected.
    #[error("{0}")]
    Unreachable(String),
}
