use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::gate::Gate;

/// A peer's byte stream, which ends when its [`Gate`] does.
pub(crate) struct Connection {
    stream: Stream,
    gate: Arc<Gate>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    over: bool,
}

/// The stream, as it was opened.
pub(crate) enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(crate) fn new(stream: Stream, gate: Arc<Gate>) -> Self {
        let ended = Box::pin(Arc::clone(&gate).ended());
        Self { stream, gate, ended, over: false }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.over = self.over || self.ended.as_mut().poll(context).is_ready();
        self.over
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection's time is over")
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over(context) {
            return Poll::Ready(Err(over()));
        }
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, to),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, to),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_over(context) {
            return Poll::Ready(Err(over()));
        }
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, from),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, from),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Gate>;

    fn connect_info(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("gate", &self.gate).finish_non_exhaustive()
    }
}
