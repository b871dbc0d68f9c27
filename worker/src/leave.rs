//! When a worker leaves by itself.
//!
//! [`Leaving`] is a synchronous machine, as the session is: what is seen goes in with its time; `deadline` says when to
//! look again, and `due` why it is time to go.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// The rules that a worker was started with; none of them by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leave {
    /// How long it may be connected and have nothing to do.
    pub idle: Option<Duration>,
    /// How long it may run.
    pub lifetime: Option<Duration>,
    /// How long it may be without its coordinator, or without ever having found it.
    pub alone: Option<Duration>,
}

/// Why a worker leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There was nothing to do for so long.
    Idle(Duration),
    /// It has run for so long.
    Lifetime(Duration),
    /// It had no coordinator for so long.
    Alone(Duration),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle(span) => write!(f, "nothing to do for {} s", span.as_secs_f64()),
            Self::Lifetime(span) => write!(f, "its lifetime of {} s is over", span.as_secs_f64()),
            Self::Alone(span) => write!(f, "no coordinator for {} s", span.as_secs_f64()),
        }
    }
}

/// The rules, and since when each of them counts.
#[derive(Debug)]
pub(crate) struct Leaving {
    rules: Leave,
    started: Instant,
    /// Since when it is connected and holds nothing.
    idle: Option<Instant>,
    /// Since when it is without a coordinator.
    alone: Option<Instant>,
}

impl Leaving {
    /// A worker that has just started and has found nobody yet.
    pub(crate) fn new(rules: Leave, now: Instant) -> Self {
        Self { rules, started: now, idle: None, alone: Some(now) }
    }

    /// Whether the coordinator is there, and how many leases are held.
    pub(crate) fn see(&mut self, now: Instant, connected: bool, held: usize) {
        // Leases are worked on while the coordinator is away; what is idle then is not its queue.
        let idle = connected && held == 0;
        self.idle = idle.then(|| self.idle.unwrap_or(now));
        self.alone = (!connected).then(|| self.alone.unwrap_or(now));
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.ends().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Why it is time to go, if it is.
    pub(crate) fn due(&self, now: Instant) -> Option<Reason> {
        let over = self.ends().into_iter().flatten().filter(|(at, _)| *at <= now);
        over.min_by_key(|(at, _)| *at).map(|(_, reason)| reason)
    }

    /// When each rule that counts ends it.
    fn ends(&self) -> [Option<(Instant, Reason)>; 3] {
        let end = |since: Option<Instant>, span: Option<Duration>, reason: fn(Duration) -> Reason| {
            let span = span?;
            since?.checked_add(span).map(|at| (at, reason(span)))
        };
        [
            end(self.idle, self.rules.idle, Reason::Idle),
            end(Some(self.started), self.rules.lifetime, Reason::Lifetime),
            end(self.alone, self.rules.alone, Reason::Alone),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_rules_it_stays() {
        let start = Instant::now();
        let leaving = Leaving::new(Leave::default(), start);
        assert_eq!((leaving.deadline(), leaving.due(start + 1_000_000 * SECOND)), (None, None));
    }

    #[test]
    fn idle_counts_from_the_last_lease_and_only_while_connected() {
        let start = Instant::now();
        let mut leaving = Leaving::new(Leave { idle: Some(10 * SECOND), ..Leave::default() }, start);
        assert_eq!(leaving.deadline(), None);
        leaving.see(start + SECOND, true, 0);
        leaving.see(start + 5 * SECOND, true, 0);
        assert_eq!(leaving.deadline(), Some(start + 11 * SECOND));
        leaving.see(start + 6 * SECOND, true, 1);
        assert_eq!(leaving.deadline(), None);
        leaving.see(start + 7 * SECOND, true, 0);
        leaving.see(start + 8 * SECOND, false, 0);
        assert_eq!(leaving.due(start + 60 * SECOND), None);
        leaving.see(start + 60 * SECOND, true, 0);
        assert_eq!(leaving.due(start + 69 * SECOND), None);
        assert_eq!(leaving.due(start + 70 * SECOND), Some(Reason::Idle(10 * SECOND)));
    }

    #[test]
    fn alone_counts_from_the_start_and_from_each_loss() {
        let start = Instant::now();
        let mut leaving = Leaving::new(Leave { alone: Some(10 * SECOND), ..Leave::default() }, start);
        assert_eq!(leaving.due(start + 10 * SECOND), Some(Reason::Alone(10 * SECOND)));
        leaving.see(start + 9 * SECOND, true, 2);
        assert_eq!(leaving.due(start + 90 * SECOND), None);
        leaving.see(start + 100 * SECOND, false, 2);
        leaving.see(start + 109 * SECOND, false, 1);
        assert_eq!(leaving.deadline(), Some(start + 110 * SECOND));
    }

    #[test]
    fn a_lifetime_ends_whatever_is_done() {
        let start = Instant::now();
        let rules = Leave { lifetime: Some(30 * SECOND), idle: Some(60 * SECOND), ..Leave::default() };
        let mut leaving = Leaving::new(rules, start);
        leaving.see(start, true, 0);
        leaving.see(start + 29 * SECOND, true, 3);
        assert_eq!(leaving.due(start + 29 * SECOND), None);
        assert_eq!(leaving.due(start + 30 * SECOND), Some(Reason::Lifetime(30 * SECOND)));
    }
}
