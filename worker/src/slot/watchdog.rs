//! The deadline on a trainer's progress.

use std::time::{Duration, Instant};

/// Into how many parts the patience is cut.
const PARTS: u32 = 4;

/// Tells a trainer that makes no steps from a supervisor that was itself stopped.
///
/// Patience is spent in parts, one for each time that the supervisor looks. A supervisor that slept through the whole
/// of it (a suspended laptop, a frozen container) spends one part, not all.
#[derive(Debug)]
pub(super) struct Watchdog {
    part: Duration,
    left: u32,
    deadline: Instant,
}

impl Watchdog {
    /// A trainer that has just begun.
    pub(super) fn new(now: Instant, patience: Duration) -> Self {
        let part = patience / PARTS;
        Self { part, left: PARTS, deadline: now + part }
    }

    /// The trainer has made progress.
    pub(super) fn fed(&mut self, now: Instant) {
        (self.left, self.deadline) = (PARTS, now + self.part);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Looks; true when the trainer is to be taken for hung.
    pub(super) fn starved(&mut self, now: Instant) -> bool {
        if now >= self.deadline {
            self.left = self.left.saturating_sub(1);
            self.deadline = now + self.part;
        }
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn patience_ends_without_progress_and_starts_over_with_it() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(start, 8 * SECOND);
        for seconds in [2, 4, 6] {
            assert!(!watchdog.starved(start + seconds * SECOND));
        }
        watchdog.fed(start + 7 * SECOND);
        for seconds in [9, 11, 13] {
            assert!(!watchdog.starved(start + seconds * SECOND));
        }
        assert!(watchdog.starved(start + 15 * SECOND));
    }

    #[test]
    fn a_supervisor_that_was_stopped_does_not_blame_the_trainer() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(start, 8 * SECOND);
        assert!(!watchdog.starved(start + 1000 * SECOND));
        assert!(!watchdog.starved(start + 1001 * SECOND));
        assert_eq!(watchdog.deadline(), start + 1002 * SECOND);
    }
}
