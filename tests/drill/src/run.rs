//! Seeds, each run twice.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    sync::mpsc,
    thread,
};

use crate::{fault::Tally, trace::Trace, world::World};

/// What one or many seeds came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Seeds that were run, each twice.
    pub seeds: u64,
    /// Simulated time of one run of each, in milliseconds.
    pub simulated_ms: u64,
    /// What happened in one run of each.
    pub events: u64,
    /// Studies that ended with the table of an undisturbed run.
    pub equal: u64,
    /// Studies whose table depends on time, or on what was done to them.
    pub other: u64,
    /// The faults of one run of each.
    pub faults: Tally,
    /// What is wrong, by seed.
    pub violations: Vec<(u64, String)>,
}

impl Summary {
    /// Adds what others came to.
    pub fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.simulated_ms += other.simulated_ms;
        self.events += other.events;
        self.equal += other.equal;
        self.other += other.other;
        self.faults.add(&other.faults);
        self.violations.extend(other.violations);
    }
}

/// Runs a seed twice, and compares the hashes of all that happened.
pub fn seed(seed: u64) -> Summary {
    let (mut summary, first) = once(seed, false);
    let (_, second) = once(seed, false);
    if first != second {
        let flaw = format!("two runs differ: {first:016x} and {second:016x}");
        summary.violations.push((seed, flaw));
    }
    summary
}

/// Runs a seed once, and prints everything that happens.
pub fn trace(seed: u64) -> Summary {
    once(seed, true).0
}

/// Runs seeds on all cores.
pub fn seeds(from: u64, count: u64) -> Summary {
    let next = AtomicU64::new(from);
    let (results, inbox) = mpsc::channel();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut summary = Summary::default();
    thread::scope(|scope| {
        for _ in 0..cores {
            let (next, results) = (&next, results.clone());
            scope.spawn(move || {
                let mut own = Summary::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= from + count {
                        break;
                    }
                    own.add(seed(number));
                }
                // The receiver waits until all have sent.
                let _ = results.send(own);
            });
        }
        drop(results);
        inbox.iter().for_each(|part| summary.add(part));
    });
    summary.violations.sort();
    summary
}

fn once(seed: u64, aloud: bool) -> (Summary, u64) {
    let world = match World::new(seed, Trace::new(aloud)) {
        Ok(world) => world,
        Err(error) => {
            let violations = vec![(seed, format!("no such world: {error}"))];
            return (Summary { seeds: 1, violations, ..Summary::default() }, 0);
        }
    };
    let mut world = AssertUnwindSafe(world);
    let mut events = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        while world.step() {
            events += 1;
        }
        if world.checks.failed() { Default::default() } else { world.compare() }
    }));
    let mut violations: Vec<(u64, String)> = Vec::new();
    if ran.is_err() {
        violations.push((seed, "panicked".to_owned()));
    }
    let now = world.now();
    let seen = world.checks.violations().iter();
    violations.extend(seen.map(|flaw| (seed, format!("at {:.3} s: {flaw}", now as f64 / 1000.0))));
    let compared = ran.unwrap_or_default();
    let summary = Summary {
        seeds: 1,
        simulated_ms: now,
        events,
        equal: compared.equal,
        other: compared.other,
        faults: world.tally.clone(),
        violations,
    };
    (summary, world.trace.hash())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many seeds every change must pass; `cargo xtask drill` runs more.
    const SEEDS: u64 = 200;

    #[test]
    fn whatever_goes_wrong_every_study_ends_with_its_table() {
        let summary = seeds(0, SEEDS);
        let again = |seed| format!("cargo xtask drill --seed {seed} --trace");
        let failed: Vec<_> = summary.violations.iter().map(|(seed, flaw)| (flaw, again(seed))).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert_eq!(summary.faults.missing(), Vec::<&str>::new(), "every kind of fault strikes");
        assert!(summary.equal > SEEDS * 5 / 4, "{} tables were compared", summary.equal);
    }
}
