//! How this machine fares with a slot's leases, and how long the slot rests where it fails them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tracing::warn;

use crate::backoff::Backoff;

/// First rest.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Leases in a row that a machine may fail before its worker gives up: some two minutes of rests.
const MAX_FAILURES: u32 = 10;

/// What is known of the leases that ended through no fault of their trials.
///
/// Such a lease is handed back and counts against nothing, so the same one may come again at once. Without rests, a
/// machine whose disk is full would take and hand back leases as fast as they are given.
#[derive(Debug)]
pub(super) struct Health {
    witness: Witness,
    /// Leases in a row that this machine has failed.
    failed: u32,
    machine: Backoff,
    store: Backoff,
}

/// How a slot is to go on after a lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// With the next one.
    Sound,
    /// After a rest.
    Failing(Duration),
    /// Not at all, for the reason given.
    Hopeless(String),
}

/// Where it is said how this machine fares, also by deliveries that outlive a slot's work; the last word counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Option<Result<(), String>>>>);

impl Health {
    /// A machine of which nothing is known yet.
    pub(super) fn new() -> Self {
        let rests = || Backoff::new(FIRST_REST, LONGEST_REST);
        Self { witness: Witness::default(), failed: 0, machine: rests(), store: rests() }
    }

    /// Where to say how it fares.
    pub(super) fn witness(&self) -> Witness {
        self.witness.clone()
    }

    /// How to go on; takes what was said since this was last asked.
    pub(super) fn condition(&mut self) -> Condition {
        match self.witness.take() {
            None => Condition::Sound,
            Some(Ok(())) => {
                self.failed = 0;
                self.machine.reset();
                Condition::Sound
            }
            Some(Err(reason)) => {
                self.failed += 1;
                if self.failed < MAX_FAILURES {
                    Condition::Failing(self.machine.wait())
                } else {
                    Condition::Hopeless(reason)
                }
            }
        }
    }

    /// How long to wait where the coordinator's store has lost what a lease begins with.
    pub(super) fn wait_for_store(&mut self) -> Duration {
        self.store.wait()
    }

    /// What a lease begins with was there.
    pub(super) fn found(&mut self) {
        self.store.reset();
    }
}

impl Witness {
    /// A result was read from this machine's disk and stored.
    pub(super) fn serves(&self) {
        self.say(Ok(()));
    }

    /// This machine has failed a lease, which is handed back.
    pub(super) fn fails(&self, reason: String) {
        warn!(reason, "this machine fails a lease, which is handed back");
        self.say(Err(reason));
    }

    fn say(&self, word: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
    }

    fn take(&self) -> Option<Result<(), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(health: &mut Health) -> Duration {
        health.witness().fails("disk full".to_owned());
        match health.condition() {
            Condition::Failing(rest) => rest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rests_grow_until_the_machine_serves_again() {
        let mut health = Health::new();
        assert_eq!(health.condition(), Condition::Sound);
        for nominal in [1, 2, 4] {
            let (rest, nominal) = (failing(&mut health), Duration::from_secs(nominal));
            assert!((nominal / 2..=nominal).contains(&rest), "{rest:?} for {nominal:?}");
            // A lease that proves nothing, as one that was revoked, changes nothing.
            assert_eq!(health.condition(), Condition::Sound);
        }
        health.witness().serves();
        assert_eq!(health.condition(), Condition::Sound);
        assert!(failing(&mut health) <= FIRST_REST);
    }

    #[test]
    fn a_machine_that_fails_lease_after_lease_gives_up() {
        let mut health = Health::new();
        (1..MAX_FAILURES).for_each(|_| assert!(failing(&mut health) <= LONGEST_REST));
        health.witness().fails("disk full".to_owned());
        assert_eq!(health.condition(), Condition::Hopeless("disk full".to_owned()));
    }

    #[test]
    fn waits_for_the_store_are_none_of_the_machine() {
        let mut health = Health::new();
        (0..2 * MAX_FAILURES).for_each(|_| assert!(health.wait_for_store() <= LONGEST_REST));
        assert!(health.wait_for_store() >= LONGEST_REST / 2);
        assert_eq!(health.condition(), Condition::Sound);
        health.found();
        assert!(health.wait_for_store() <= FIRST_REST);
    }
}
