//! The one outbound connection: opened, watched and opened again for ever.

use std::{error::Error as _, future::pending, time::Duration};

use proto::v1::{CoordinatorMessage, worker_service_client::WorkerServiceClient};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status, Streaming};
use tracing::{debug, info, warn};
use trust::{Link, root_cause};

use super::wire;
use crate::{
    backoff::Backoff,
    event::Event,
    member::{Member, Unjoined},
    session::messages::Incoming,
};

/// Longest time from an open connection to Welcome; a coordinator may replay its log before it answers.
const GREETING: Duration = Duration::from_secs(20);
/// First wait before the coordinator is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest wait: a healed network is noticed within it.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// First and longest wait before a renewal is tried again: half of a certificate's life is left for it.
const FIRST_RENEWAL: Duration = Duration::from_secs(1);
const LAST_RENEWAL: Duration = Duration::from_secs(300);
/// Messages on their way out; more wait in the session, where they are batched.
const OUTGOING: usize = 8;

/// Why a conversation ended.
enum Ended {
    /// Another try may go better.
    Broken(String),
    /// The coordinator was reached and does not want this worker.
    Refused(String),
    /// The coordinator does not know who this is.
    Unknown(String),
    /// Another living process has this worker's id.
    Taken(String),
    /// There is a new certificate, which counts from the next connection on.
    Renewed,
}

/// Holds the connection until it is dropped: streams and what comes over them go to `events`, the connection itself to
/// `shared`, for checkpoints.
pub(super) async fn hold(
    mut member: Member,
    events: mpsc::Sender<Event>,
    shared: watch::Sender<Option<Link>>,
) {
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    let (mut welcomed, mut complained) = (false, false);
    loop {
        let ended = converse(&mut member, &events, &shared).await;
        let was_up = shared.send_replace(None).is_some();
        welcomed |= was_up;
        let coordinator = member.address().to_owned();
        let mut at_once = false;
        match ended {
            // Whoever has the id gives signs of life, so nothing is mended by waiting.
            Ended::Taken(reason) => drop(events.send(Event::Taken(reason)).await),
            Ended::Unknown(reason) if member.has_another_way() => {
                info!(reason, "certificate not accepted: trying for a new one");
                at_once = true;
            }
            Ended::Unknown(reason) if !welcomed || member.is_certified() => {
                drop(events.send(Event::Unknown(reason)).await);
            }
            // A worker that was welcomed once holds leases: whatever is wrong now may be mended.
            Ended::Refused(reason) if !welcomed => drop(events.send(Event::Refused(reason)).await),
            Ended::Refused(reason) | Ended::Broken(reason) | Ended::Unknown(reason)
                if was_up || !complained =>
            {
                warn!(coordinator, reason, "coordinator lost");
                complained = true;
            }
            Ended::Refused(reason) | Ended::Broken(reason) | Ended::Unknown(reason) => {
                debug!(coordinator, reason, "coordinator still lost");
            }
            Ended::Renewed => at_once = true,
        }
        if events.send(Event::Lost).await.is_err() {
            return;
        }
        if was_up {
            member.accepted();
            backoff.reset();
        }
        if !at_once {
            sleep(backoff.wait()).await;
        }
    }
}

/// One connection, from its opening to its end.
async fn converse(
    member: &mut Member,
    events: &mpsc::Sender<Event>,
    shared: &watch::Sender<Option<Link>>,
) -> Ended {
    let link = match member.connect().await {
        Ok(link) => link,
        Err(Unjoined::Broken(reason)) => return Ended::Broken(reason),
        Err(Unjoined::Refused(reason)) => return Ended::Unknown(reason),
    };
    let (outgoing, messages) = mpsc::channel(OUTGOING);
    let mut client = WorkerServiceClient::new(link.clone()).max_decoding_message_size(proto::MESSAGE_BYTES);
    let session = client.session(ReceiverStream::new(messages).map(wire::outgoing));
    if events.send(Event::Opened(outgoing)).await.is_err() {
        return supervisor_ended();
    }
    let incoming = match timeout(GREETING, session).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return ended(&status),
        Err(_) => return Ended::Broken("it accepts connections but does not answer".to_owned()),
    };
    let address = member.address().to_owned();
    let listening = listen(incoming, (link.clone(), address), (events, shared));
    tokio::select! {
        ended = listening => ended,
        ended = renew(member, link) => ended,
    }
}

/// Passes on what comes until the stream ends.
async fn listen(
    mut incoming: Streaming<CoordinatorMessage>,
    (link, coordinator): (Link, String),
    (events, shared): (&mpsc::Sender<Event>, &watch::Sender<Option<Link>>),
) -> Ended {
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
            info!(coordinator, "joined");
            shared.send_replace(Some(link.clone()));
            // From here on the transport's keep-alive watches: a coordinator with nothing to say is no fault.
            patience = Duration::MAX;
        }
        if events.send(Event::Received(message)).await.is_err() {
            return supervisor_ended();
        }
    }
}

/// Waits until half of the certificate's life is over and gets the next one; for ever, where there is none to renew.
async fn renew(member: &mut Member, link: Link) -> Ended {
    let Some(half) = member.renewal_in() else { return pending().await };
    // Where this machine's date is far ahead, every certificate seems old: it is still renewed, and not without a pause.
    sleep(half.max(FIRST_RENEWAL)).await;
    let mut backoff = Backoff::new(FIRST_RENEWAL, LAST_RENEWAL);
    loop {
        match member.renew(link.clone()).await {
            Ok(()) => return Ended::Renewed,
            Err(status) => warn!(reason = status.message(), "the certificate cannot be renewed now"),
        }
        sleep(backoff.wait()).await;
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
        Code::PermissionDenied | Code::Unauthenticated => Ended::Unknown(reason),
        Code::InvalidArgument | Code::FailedPrecondition => Ended::Refused(reason),
        _ => Ended::Broken(reason),
    }
}
