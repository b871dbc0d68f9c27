//! Waits that grow with every failure, and differ from worker to worker.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Exponential back-off with jitter.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits of at most `first`, doubling up to `cap`.
    pub(crate) fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, next: first }
    }

    /// How long to wait now: between half of the nominal wait and all of it, so that workers which lost their
    /// coordinator together do not come back together.
    pub(crate) fn wait(&mut self) -> Duration {
        let nominal = self.next;
        self.next = self.cap.min(nominal * 2);
        nominal.mul_f64(0.5 + 0.5 * (random() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Things work again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// 64 random bits, for identities and jitter: the keys of a hash map's hasher are drawn by the operating system.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_over() {
        let (first, cap) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(first, cap);
        for nominal in [100, 200, 350, 350] {
            let (low, high) = (Duration::from_millis(nominal / 2), Duration::from_millis(nominal));
            let wait = backoff.wait();
            assert!((low..=high).contains(&wait), "{wait:?} for {nominal}");
        }
        backoff.reset();
        assert!(backoff.wait() <= first);
    }
}
