use std::time::Duration;

use common::random::{Purpose, Stream, Words};

/// Everything that is random in a round.
#[derive(Debug)]
pub(crate) struct Dice(Words);

impl Dice {
    /// Those of a round.
    pub(crate) fn of(seed: u64, round: u32) -> Self {
        Self(Stream::new(seed, Purpose::Seed).epoch(round).words())
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.below_u64(end)
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// A time between two, in milliseconds.
    pub(crate) fn wait(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }
}
