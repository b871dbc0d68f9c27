//! A store that was restored from a backup.

use common::time::Timestamp;
use scheduler::Event;

/// How far above any attempt that a backup knows those begin that follow its restore, where the date is of no use.
const ABOVE: u64 = 1 << 16;

/// What a study's log says next when it was restored from a backup, which knew it so far.
///
/// Attempts that were given after the backup was made are unknown here, and their workers may still be alive. So those
/// that follow begin above all of them: at the time in milliseconds since 1970. No trial is leased once a millisecond, so
/// no count of attempts reaches it, whatever was restored before: an older backup, a later one, the same one again.
/// Only where the date is behind the attempts that are known, and so is wrong, they go on above these.
pub fn restored(log: &[Event], now: Timestamp) -> Event {
    let highest = log.iter().filter_map(Event::attempt).map(|attempt| attempt.0).max().unwrap_or(0);
    let floor = if now.0 > highest { now.0 } else { highest.saturating_add(ABOVE) };
    Event::Restored { floor, at: now }
}

#[cfg(test)]
mod tests {
    use common::ids::{Attempt, TrialNumber};

    use super::*;

    fn floor(highest: u64, now: u64) -> u64 {
        let log = [Event::LeaseLost { trial: TrialNumber(0), attempt: Attempt(highest) }];
        match restored(&log, Timestamp(now)) {
            Event::Restored { floor, .. } => floor,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attempts_after_a_restore_are_above_those_of_any_restore_before_it() {
        let (first, backup) = (1_795_442_709_123, 7);
        assert_eq!(floor(backup, first), first);
        // A backup that was made after the first restore, restored twice.
        let later = first + 3;
        assert_eq!(
            [floor(later, first + 5_000), floor(later, first + 6_000)],
            [first + 5_000, first + 6_000]
        );
        assert_eq!(floor(later, 86_400_000), later + 65_536, "a date that cannot be");
    }
}
