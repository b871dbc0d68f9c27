//! The one place that asks the operating system for the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::time::Timestamp;

/// The operating system's date, which may jump.
///
/// Certificates and tokens go by it: other machines compare them with their own date, and this one may have slept for a
/// week, of which a [`Clock`] would know nothing.
#[allow(clippy::disallowed_methods, reason = "this is where the date comes in")]
pub fn date() -> Timestamp {
    let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(date.as_millis() as u64)
}

/// A clock that shows the date and never jumps: the date when it was made, plus the time that has passed since.
///
/// Leases expire by it, so a corrected or wrong wall clock ends none early or late.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started_at: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock set to the operating system's date.
    pub fn system() -> Self {
        Self { started_at: date(), started: Instant::now() }
    }

    /// The date now.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }

    /// The instant at which [`Clock::now`] will show a date.
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.started + at.since(self.started_at)
    }
}
