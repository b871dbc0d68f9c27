//! The end of a connection's life: without proof in time, with its certificate, or when its access is taken away.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{caller::Credential, judge::Presented, seats::Seat};

/// One connection, as calls on it see it.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Who is at the other end.
    pub(crate) peer: SocketAddr,
    /// The certificate that was shown, judged.
    pub(crate) presented: Presented,
    closed: CancellationToken,
    /// When the connection ends by itself.
    ends: watch::Sender<Option<Instant>>,
    proof: Mutex<Proof>,
}

#[derive(Debug)]
struct Proof {
    seat: Seat,
    /// What has been proven on this connection.
    credentials: BTreeSet<Credential>,
    local: bool,
}

impl Gate {
    /// The gate of a connection that has until `by` to prove itself.
    pub(crate) fn new(
        (peer, presented): (SocketAddr, Presented),
        closed: CancellationToken,
        seat: Seat,
        by: Instant,
    ) -> Arc<Self> {
        let (ends, _) = watch::channel(Some(by));
        let proof = Proof { seat, credentials: BTreeSet::new(), local: false };
        Arc::new(Self { peer, presented, closed, ends, proof: Mutex::new(proof) })
    }

    /// Notes that a call was allowed, by what, and for how much longer; true where this connection had not shown that
    /// credential before.
    pub(crate) fn prove(&self, credential: Option<Credential>, left: Option<Duration>) -> bool {
        let mut proof = self.proof();
        proof.seat.prove();
        let new = match credential {
            Some(credential) => proof.credentials.insert(credential),
            None => !std::mem::replace(&mut proof.local, true),
        };
        if new {
            // By several credentials it lives as long as the shortest.
            let first = proof.credentials.len() + usize::from(proof.local) == 1;
            let end = left.map(|left| Instant::now() + left);
            self.ends.send_modify(|ends| {
                *ends = match (*ends, end) {
                    (_, end) if first => end,
                    (Some(before), Some(end)) => Some(before.min(end)),
                    (before, end) => before.or(end),
                };
            });
        }
        new
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Whether nobody has closed the connection from this side.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Waits for the end of the connection's life.
    pub(crate) async fn ended(self: Arc<Self>) {
        let mut ends = self.ends.subscribe();
        loop {
            let end = *ends.borrow_and_update();
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.closed.cancelled() => return,
                () = over => return,
                // The sender is in `self`, so this is a change and never an end.
                _ = ends.changed() => {}
            }
        }
    }

    fn proof(&self) -> MutexGuard<'_, Proof> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::{super::seats::Seats, *};

    #[tokio::test]
    async fn a_connection_ends_by_the_time_that_it_was_to_prove_itself_and_a_proven_one_lives_on() {
        let (peer, close) = (SocketAddr::from(([127, 0, 0, 1], 5)), CancellationToken::new());
        let seat = Seats::default().take(peer.ip(), &close).unwrap();
        let gate = Gate::new((peer, Presented::Nothing), close, seat, Instant::now());
        Arc::clone(&gate).ended().await;
        assert!(gate.prove(None, None));
        let soon = Duration::from_millis(20);
        timeout(soon, Arc::clone(&gate).ended()).await.unwrap_err();
        assert!(gate.is_open());
        gate.close();
        assert!(!gate.is_open());
        gate.ended().await;
    }
}
