//! A study's active time, which `max_time` limits: how long it has had a lease out, pauses and downtime excluded.

use std::time::Duration;

use common::time::Timestamp;

/// Longest time between two marks of a running clock.
const LONGEST_PERIOD: Duration = Duration::from_secs(60);

/// Shortest time between two marks that the driver is asked for.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);

/// A clock that runs while a lease is out, and is known from the log alone.
///
/// Events that carry a time are its marks; where none comes by itself, the driver is asked for a tick. Time between
/// two marks counts, but never more than one and a half periods of it: a longer gap means that nobody was there to
/// tick, so the coordinator was down. A restart thus adds at most that much, and never its own downtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActiveClock {
    counted: Duration,
    /// The last mark; none while the clock stands.
    mark: Option<Timestamp>,
    period: Duration,
    limit: Option<Duration>,
}

impl ActiveClock {
    /// A standing clock for a study that may be active for so many seconds.
    pub(crate) fn new(max_seconds: Option<f64>) -> Self {
        // Whole milliseconds, like timestamps: else a deadline could pass before its limit is reached.
        let limit = max_seconds.map(|seconds| Duration::from_millis((seconds * 1000.0).ceil() as u64));
        let period = limit.map_or(LONGEST_PERIOD, |limit| {
            Duration::from_millis(limit.as_millis() as u64 / 60).clamp(SHORTEST_PERIOD, LONGEST_PERIOD)
        });
        Self { counted: Duration::ZERO, mark: None, period, limit }
    }

    /// Marks a time; the clock runs on from it, or stands.
    pub(crate) fn mark(&mut self, at: Timestamp, runs: bool) {
        self.counted = self.active(at);
        self.mark = runs.then_some(at);
    }

    /// Active time so far.
    pub(crate) fn active(&self, now: Timestamp) -> Duration {
        self.counted + self.mark.map_or(Duration::ZERO, |mark| now.since(mark).min(self.period * 3 / 2))
    }

    /// Whether the limit is reached.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.limit.is_some_and(|limit| self.active(now) >= limit)
    }

    /// Whether the clock runs and a mark is due. One of the future is from before the date was set back: it would stand
    /// still until then.
    pub(crate) fn is_mark_due(&self, now: Timestamp) -> bool {
        self.mark.is_some_and(|mark| mark > now || now.since(mark) >= self.period)
    }

    /// When the next mark is due, or the limit reached if it still matters; none while the clock stands.
    pub(crate) fn next_deadline(&self, limited: bool) -> Option<Timestamp> {
        let left = self.limit.filter(|_| limited).map(|limit| limit.saturating_sub(self.counted));
        self.mark.map(|mark| mark + left.unwrap_or(self.period).min(self.period))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_and_downtime_do_not_count() {
        let mut clock = ActiveClock::new(Some(600.0));
        assert_eq!(clock.next_deadline(true), None);
        clock.mark(Timestamp(1_000), true);
        assert_eq!(clock.next_deadline(true), Some(Timestamp(11_000)));
        clock.mark(Timestamp(11_000), true);
        clock.mark(Timestamp(16_000), false);
        assert_eq!(clock.active(Timestamp(900_000)), Duration::from_secs(15));
        clock.mark(Timestamp(1_000_000), true);
        clock.mark(Timestamp(9_000_000), true);
        assert_eq!(clock.active(Timestamp(9_001_000)), Duration::from_secs(15 + 15 + 1));
        assert_eq!(clock.active(Timestamp(0)), Duration::from_secs(30));
    }

    #[test]
    fn a_date_that_was_set_back_stops_no_clock() {
        let mut clock = ActiveClock::new(Some(600.0));
        clock.mark(Timestamp(90_000_000), true);
        assert!(clock.is_mark_due(Timestamp(1_000)));
        clock.mark(Timestamp(1_000), true);
        assert_eq!(clock.next_deadline(true), Some(Timestamp(11_000)));
        assert_eq!(clock.active(Timestamp(2_000)), Duration::from_secs(1));
    }

    #[test]
    fn the_limit_is_met_to_the_millisecond() {
        let mut clock = ActiveClock::new(Some(1.5));
        clock.mark(Timestamp(0), true);
        clock.mark(Timestamp(1_000), true);
        assert_eq!(clock.next_deadline(true), Some(Timestamp(1_500)));
        assert_eq!(clock.next_deadline(false), Some(Timestamp(2_000)));
        assert!(!clock.is_over(Timestamp(1_499)));
        assert!(clock.is_over(Timestamp(1_500)));
    }
}
