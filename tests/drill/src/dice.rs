//! Chance that can be repeated: counter-based, from a seed.

use common::random::{Purpose, Stream, Words};

/// One stream of a seed's random numbers.
#[derive(Debug)]
pub(crate) struct Dice(Words);

impl Dice {
    /// The stream of a seed that is used for one thing.
    pub(crate) fn new(seed: u64, lane: u32) -> Self {
        Self(Stream::new(seed, Purpose::Seed).layer(lane).words())
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.below_u64(bound.max(1))
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    /// One of the items; there must be one.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// A wait around a mean, in the mean's unit.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        self.between((mean / 4, mean * 7 / 4))
    }
}
