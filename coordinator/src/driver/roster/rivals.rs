//! Two processes of one worker id: which of them is the worker.
//!
//! The one that is connected stays it for as long as it gives signs of life. A process that was started in its place,
//! after a crash that closed no stream, calls again until the other's silence is certain.

use std::{collections::BTreeMap, time::Duration};

use common::time::Timestamp;

/// A sign of life that comes this long after a rival's first call was not on its way before it.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// Processes that claimed the id of a connected worker, by incarnation, with the time of their first call.
#[derive(Debug, Default)]
pub(super) struct Rivals(BTreeMap<u64, Timestamp>);

/// What a claim comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The connected process is silent: the rival is the worker from now on.
    Granted,
    /// It may live or not: the rival should call again.
    Open,
    /// It lives.
    Refused,
}

impl Rivals {
    /// Decides a claim against a process that was last seen at `seen` and is held for silent after `patience`.
    pub(super) fn claim(
        &mut self,
        rival: u64,
        now: Timestamp,
        (seen, patience): (Timestamp, Duration),
    ) -> Claim {
        if now.since(seen) >= patience {
            self.forget();
            return Claim::Granted;
        }
        let first = *self.0.entry(rival).or_insert(now);
        if seen < first + IN_FLIGHT {
            return Claim::Open;
        }
        self.0.remove(&rival);
        Claim::Refused
    }

    /// Starts over: what is known of signs of life no longer tells anything about calls before now.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn claims(calls: &[(u64, u64)]) -> Vec<Claim> {
        let mut rivals = Rivals::default();
        let claim = |&(now, seen)| rivals.claim(7, Timestamp(now), (Timestamp(seen), PATIENCE));
        calls.iter().map(claim).collect()
    }

    #[test]
    fn a_process_that_speaks_after_the_call_keeps_its_id() {
        assert_eq!(
            claims(&[(5000, 4000), (6000, 4000), (8000, 7500)]),
            [Claim::Open, Claim::Open, Claim::Refused]
        );
    }

    #[test]
    fn a_word_that_was_on_its_way_proves_nothing() {
        assert_eq!(
            claims(&[(5000, 4000), (6000, 5100), (15_100, 5100)]),
            [Claim::Open, Claim::Open, Claim::Granted]
        );
    }

    #[test]
    fn a_silent_process_loses_its_id_at_the_first_call() {
        assert_eq!(claims(&[(15_000, 5000)]), [Claim::Granted]);
    }
}
