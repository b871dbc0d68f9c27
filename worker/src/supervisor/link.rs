//! The one outbound connection: opened, watched and opened again for ever.

use std::{error::Error, time::Duration};

use proto::v1::worker_service_client::WorkerServiceClient;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tracing::{debug, info, warn};

use super::wire;
use crate::{
    backoff::Backoff,
    event::Event,
    session::{BLIND_SPOT, messages::Incoming},
    settings::Coordinator,
};

/// Longest time to open a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest time from an open connection to Welcome; a coordinator may replay its log before it answers.
const GREETING: Duration = Duration::from_secs(20);
/// First wait before the coordinator is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest wait: a healed network is noticed within it.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Messages on their way out; more wait in the session, where they are batched.
const OUTGOING: usize = 8;

/// Why a conversation ended.
enum Ended {
    /// Another try may go better.
    Broken(String),
    /// The coordinator was reached and does not want this worker.
    Refused(String),
    /// Another living process has this worker's id.
    Taken(String),
}

/// Holds the connection until it is dropped: streams and what comes over them go to `events`, the connection itself to
/// `shared`, for checkpoints.
pub(super) async fn hold(
    coordinator: Coordinator,
    events: mpsc::Sender<Event>,
    shared: watch::Sender<Option<Channel>>,
) {
    let endpoint = endpoint(&coordinator);
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    let (mut welcomed, mut complained) = (false, false);
    loop {
        let ended = converse(&endpoint, &events, &shared).await;
        let was_up = shared.send_replace(None).is_some();
        welcomed |= was_up;
        match ended {
            // Whoever has the id gives signs of life, so nothing is mended by waiting.
            Ended::Taken(reason) => drop(events.send(Event::Taken(reason)).await),
            // A worker that was welcomed once holds leases: whatever is wrong now may be mended.
            Ended::Refused(reason) if !welcomed => drop(events.send(Event::Refused(reason)).await),
            Ended::Refused(reason) | Ended::Broken(reason) if was_up || !complained => {
                warn!(%coordinator, reason, "coordinator lost");
                complained = true;
            }
            Ended::Refused(reason) | Ended::Broken(reason) => {
                debug!(%coordinator, reason, "coordinator still lost");
            }
        }
        if events.send(Event::Lost).await.is_err() {
            return;
        }
        if was_up {
            backoff.reset();
        }
        sleep(backoff.wait()).await;
    }
}

fn endpoint(coordinator: &Coordinator) -> Endpoint {
    Endpoint::from(coordinator.uri())
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(BLIND_SPOT / 3)
        .keep_alive_timeout(BLIND_SPOT / 3 * 2)
        .keep_alive_while_idle(true)
}

/// One connection, from its opening to its end.
async fn converse(
    endpoint: &Endpoint,
    events: &mpsc::Sender<Event>,
    shared: &watch::Sender<Option<Channel>>,
) -> Ended {
    let channel = match endpoint.connect().await {
        Ok(channel) => channel,
        Err(error) => return Ended::Broken(root_cause(&error)),
    };
    let (outgoing, messages) = mpsc::channel(OUTGOING);
    let mut client =
        WorkerServiceClient::new(channel.clone()).max_decoding_message_size(proto::MESSAGE_BYTES);
    let session = client.session(ReceiverStream::new(messages).map(wire::outgoing));
    if events.send(Event::Opened(outgoing)).await.is_err() {
        return supervisor_ended();
    }
    let mut incoming = match timeout(GREETING, session).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return ended(&status),
        Err(_) => return Ended::Broken("it accepts connections but does not answer".to_owned()),
    };
    let mut patience = GREETING;
    loop {
        let message = match timeout(patience, incoming.message()).await {
            Ok(Ok(Some(message))) => wire::incoming(message),
            Ok(Ok(None)) => return Ended::Broken("it closed the session".to_owned()),
            Ok(Err(status)) => return ended(&status),
            Err(_) => return Ended::Broken("it does not answer Hello".to_owned()),
        };
        let message = match message {
            Ok(message) => message,
            Err(malformed) => return Ended::Refused(malformed.to_string()),
        };
        if matches!(message, Incoming::Welcome(_)) {
            info!(coordinator = %endpoint.uri(), "joined");
            shared.send_replace(Some(channel.clone()));
            // From here on the transport's keep-alive watches: a coordinator with nothing to say is no fault.
            patience = Duration::MAX;
        }
        if events.send(Event::Received(message)).await.is_err() {
            return supervisor_ended();
        }
    }
}

/// The task that asks is about to be cancelled.
fn supervisor_ended() -> Ended {
    Ended::Broken("the supervisor has ended".to_owned())
}

fn ended(status: &Status) -> Ended {
    // A status of the transport's own, rather than of the coordinator, has its cause beneath it.
    let reason = match (status.source(), status.message()) {
        (Some(source), _) => root_cause(source),
        (None, "") => status.code().to_string(),
        (None, message) => message.to_owned(),
    };
    match status.code() {
        Code::AlreadyExists => Ended::Taken(reason),
        Code::InvalidArgument | Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated => {
            Ended::Refused(reason)
        }
        _ => Ended::Broken(reason),
    }
}

/// The innermost error says `connection refused`; the outer ones only `transport error`.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
