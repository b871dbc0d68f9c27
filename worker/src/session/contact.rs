//! How long ago the coordinator was heard, and what follows from it.

use std::time::{Duration, Instant};

/// How long the transport may take to notice that the other side is gone: its keep-alive interval and timeout.
pub const BLIND_SPOT: Duration = Duration::from_secs(6);

/// Shortest time between heartbeats, whatever the coordinator asks for.
const MIN_HEARTBEAT: Duration = Duration::from_millis(50);

/// The state of the connection, and the two clocks that hang on it.
///
/// While the stream stands, the transport's keep-alive vouches for the coordinator, so a coordinator with nothing to
/// say is not silent. Once it breaks, silence counts from the last message, or from as far back as the transport may
/// have been deceived.
#[derive(Debug)]
pub(crate) struct Contact {
    state: State,
    lease: Duration,
    heartbeat: Duration,
    heard: Instant,
    sent: Instant,
    fenced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No stream.
    Down,
    /// A stream, but no Hello on it yet.
    Opened,
    /// Hello was said, Welcome is awaited.
    Greeting,
    /// Welcomed.
    Up,
}

impl Contact {
    /// No contact yet; terms come with the first Welcome.
    pub(crate) fn new(now: Instant) -> Self {
        let unknown = Duration::MAX;
        Self { state: State::Down, lease: unknown, heartbeat: unknown, heard: now, sent: now, fenced: false }
    }

    /// A stream was opened.
    pub(crate) fn opened(&mut self) {
        self.state = State::Opened;
    }

    /// Whether Hello is due; it is said once per stream.
    pub(crate) fn greet(&mut self) -> bool {
        let due = self.state == State::Opened;
        if due {
            self.state = State::Greeting;
        }
        due
    }

    /// Welcome came, with these terms.
    pub(crate) fn welcomed(&mut self, now: Instant, lease: Duration, heartbeat: Duration) {
        (self.state, self.lease, self.heartbeat) = (State::Up, lease, heartbeat.max(MIN_HEARTBEAT));
        (self.heard, self.sent, self.fenced) = (now, now, false);
    }

    /// Any message came.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Any message was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// The stream broke.
    pub(crate) fn lost(&mut self, now: Instant) {
        if self.state == State::Up {
            // At most a third of the lease, so that a short lease does not turn every hiccup into a hand-back.
            let blind = BLIND_SPOT.min(self.lease / 3);
            self.heard = self.heard.max(now.checked_sub(blind).unwrap_or(now));
        }
        self.state = State::Down;
    }

    /// Whether the coordinator has welcomed this stream.
    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// When the worker must take its leases for lost: after two thirds of their life in silence.
    pub(crate) fn fence_at(&self) -> Option<Instant> {
        let waits = !self.is_up() && !self.fenced;
        waits.then(|| self.heard.checked_add(self.lease / 3 * 2)).flatten()
    }

    /// Whether that moment has come; true once per silence.
    pub(crate) fn fence(&mut self, now: Instant) -> bool {
        let due = self.fence_at().is_some_and(|at| now >= at);
        self.fenced |= due;
        due
    }

    /// Whether a sign of life is due; true once per heartbeat, even where it cannot be sent at once.
    pub(crate) fn beat(&mut self, now: Instant) -> bool {
        let due = self.heartbeat_at().is_some_and(|at| now >= at);
        if due {
            self.sent = now;
        }
        due
    }

    /// When the next sign of life is due.
    pub(crate) fn heartbeat_at(&self) -> Option<Instant> {
        if self.is_up() { self.sent.checked_add(self.heartbeat) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn up(now: Instant) -> Contact {
        let mut contact = Contact::new(now);
        contact.opened();
        contact.welcomed(now, 30 * SECOND, 5 * SECOND);
        contact
    }

    #[test]
    fn a_standing_stream_is_never_silence() {
        let start = Instant::now();
        let mut contact = up(start);
        assert_eq!(contact.fence_at(), None);
        contact.lost(start + 600 * SECOND);
        assert_eq!(contact.fence_at(), Some(start + (600 - 6 + 20) * SECOND));
    }

    #[test]
    fn silence_counts_from_the_last_message_where_that_is_later() {
        let start = Instant::now();
        let mut contact = up(start);
        contact.heard(start + 9 * SECOND);
        contact.lost(start + 10 * SECOND);
        assert_eq!(contact.fence_at(), Some(start + 29 * SECOND));
        assert!(!contact.fence(start + 28 * SECOND));
        assert!(contact.fence(start + 29 * SECOND));
        assert_eq!(contact.fence_at(), None);
        assert!(!contact.fence(start + 30 * SECOND));
    }

    #[test]
    fn a_stream_without_welcome_does_not_end_the_silence() {
        let start = Instant::now();
        let mut contact = up(start);
        contact.lost(start + SECOND);
        let fence = contact.fence_at();
        contact.opened();
        assert!(contact.greet());
        assert!(!contact.greet());
        contact.lost(start + 15 * SECOND);
        assert_eq!(contact.fence_at(), fence);
        contact.welcomed(start + 16 * SECOND, 30 * SECOND, 5 * SECOND);
        assert_eq!(contact.fence_at(), None);
    }

    #[test]
    fn a_short_lease_still_leaves_time_to_reconnect() {
        let start = Instant::now();
        let mut contact = Contact::new(start);
        contact.welcomed(start, 3 * SECOND, SECOND);
        contact.lost(start + 60 * SECOND);
        assert_eq!(contact.fence_at(), Some(start + 61 * SECOND));
    }

    #[test]
    fn heartbeats_are_due_only_when_nothing_else_was_sent() {
        let start = Instant::now();
        let mut contact = up(start);
        assert_eq!(contact.heartbeat_at(), Some(start + 5 * SECOND));
        contact.sent(start + 3 * SECOND);
        assert_eq!(contact.heartbeat_at(), Some(start + 8 * SECOND));
        contact.lost(start + 4 * SECOND);
        assert_eq!(contact.heartbeat_at(), None);
    }
}
