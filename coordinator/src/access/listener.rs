//! From accepted sockets to connections: seats, TLS where the peer speaks it, and a limit to how long that takes.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{Connection, Stream},
    gate::Gate,
    judge::{Judge, Presented},
    limits,
    seats::Seats,
};
use crate::clock::date;

/// What the first byte of TLS is; HTTP/2 begins with `P`.
const TLS_HANDSHAKE: u8 = 0x16;

/// How long accepting pauses when the system has no more sockets.
const PAUSE: Duration = Duration::from_millis(50);

/// TLS as a coordinator speaks it.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) judge: Judge,
}

/// What peers may speak. Without TLS, only who is on this machine: those packets never leave it.
#[derive(Debug, Clone)]
pub(crate) struct Speech {
    /// TLS, where it is offered.
    pub(crate) tls: Option<Tls>,
}

/// Accepts until `stop`; connections that are open come out of the receiver. Handshakes run in `tasks`, beside one
/// another, so that a slow one holds up nobody.
pub(crate) fn accept(
    listener: TcpListener,
    speech: Speech,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (opened, connections) = mpsc::channel(64);
    let (seats, speech) = (Seats::default(), Arc::new(speech));
    let handshakes = tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let close = CancellationToken::new();
            let Some(seat) = seats.take(peer.ip(), &close) else {
                tracing::warn!(%peer, "too many connections");
                continue;
            };
            // For the handshake and the proof together: whoever is slow in the one has less for the other.
            let by = Instant::now() + limits::PROOF;
            let (speech, opened) = (Arc::clone(&speech), opened.clone());
            handshakes.spawn(async move {
                let opening = timeout_at(by, open(socket, peer, &speech));
                let Some(Ok(Ok((stream, presented)))) = close.run_until_cancelled(opening).await else {
                    tracing::debug!(%peer, "a handshake did not end well");
                    return;
                };
                let gate = Gate::new((peer, presented), close, seat, by);
                // A server that has stopped takes no more.
                let _ = opened.send(Ok(Connection::new(stream, gate))).await;
            });
        }
    });
    connections
}

/// Finds out what a peer speaks, and does the handshake where that is TLS.
async fn open(socket: TcpStream, peer: SocketAddr, speech: &Speech) -> io::Result<(Stream, Presented)> {
    trust::prompt(&socket)?;
    let mut first = [0];
    let speaks_tls = socket.peek(&mut first).await? == 1 && first[0] == TLS_HANDSHAKE;
    match &speech.tls {
        Some(tls) if speaks_tls => {
            let stream = TlsAcceptor::from(Arc::clone(&tls.config)).accept(socket).await?;
            let chain = stream.get_ref().1.peer_certificates();
            let presented = tls.judge.judge(chain, Duration::from_millis(date().0));
            Ok((Stream::Tls(Box::new(stream)), presented))
        }
        _ if peer.ip().to_canonical().is_loopback() && !speaks_tls => {
            Ok((Stream::Plain(socket), Presented::Nothing))
        }
        _ => {
            tracing::debug!(%peer, speaks_tls, "another kind of connection than is spoken here");
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}
