//! Everything that a peer could otherwise have without end. tonic's own defaults lift several of hyper's caps, so each is
//! set here.

use std::time::Duration;

use tokio::time::Instant;

/// How long a peer has to finish its handshake and to prove who it is by a first call that is allowed.
pub(crate) const PROOF: Duration = Duration::from_secs(10);

/// Most connections at a time.
pub(crate) const CONNECTIONS: usize = 16_384;

/// Most connections at a time by one token or certificate: whoever has it must not take all of them.
pub(crate) const PER_CREDENTIAL: usize = CONNECTIONS / 4;

/// Most connections at a time that have not proven anything; beyond, the oldest of them is closed.
pub(crate) const UNPROVEN: usize = 512;

/// Most connections of one address at a time that have not proven anything.
pub(crate) const UNPROVEN_PER_ADDRESS: usize = 128;

/// Most calls at a time on one connection.
pub(crate) const STREAMS: u32 = 64;

/// Most bytes of a call's headers.
pub(crate) const HEADERS: u32 = 16 << 10;

/// Calls that a peer may reset before they were looked at, until its connection is closed: rapid reset.
pub(crate) const PENDING_RESETS: usize = 20;

/// Calls that broke the protocol, until their connection is closed.
pub(crate) const LOCAL_RESETS: usize = 256;

/// Bytes on their way that one call and one connection may have.
pub(crate) const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);

/// How long an object on its way, or a history, may pause between two chunks.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// How slow the other end of an object on its way may be: as slow as the slowest network that workers wait for.
pub(crate) const PACE: Pace = Pace { silence: SILENCE, rate: 64 << 10 };

/// How slow the other end of an object may be, which is in memory for as long as it is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Longest pause between two chunks.
    pub(crate) silence: Duration,
    /// Fewest bytes a second, from the begin on; one pause is allowed for besides.
    pub(crate) rate: u64,
}

impl Pace {
    /// By when the next chunk must come, or be taken, where so many bytes have passed since the begin.
    pub(crate) fn due(self, begun: Instant, passed: u64) -> Instant {
        let slowest = self.silence + Duration::from_millis(passed.saturating_mul(1000) / self.rate);
        (begun + slowest).min(Instant::now() + self.silence)
    }
}

/// Most bytes of a message that gives or takes access.
pub(crate) const ACCESS_BYTES: usize = 64 << 10;

/// Most bytes of objects that a study may have: a worker must not be able to fill any disk.
pub(crate) const STUDY_BYTES: u64 = 256 << 30;
