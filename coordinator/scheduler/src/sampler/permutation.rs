//! A shuffled order of numbers that needs no memory.

use common::random::{Purpose, Stream};

/// Rounds of the network; four suffice against any test of evenness (Luby and Rackoff, 1988), more cost nothing here.
const ROUNDS: u32 = 8;

/// A bijection of `0..len` that a seed picks.
///
/// A Feistel network permutes the least power of four that holds `len`; numbers that fall outside are permuted again
/// until they are inside (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutation {
    seed: u64,
    len: u128,
    half_bits: u32,
}

impl Permutation {
    /// The order that a seed gives to `0..len`.
    pub(super) fn new(seed: u64, len: u128) -> Self {
        let bits = u128::BITS - len.saturating_sub(1).leading_zeros();
        Self { seed, len, half_bits: bits.div_ceil(2).max(1) }
    }

    /// The number at a place; the place must be less than the length.
    pub(super) fn at(&self, place: u128) -> u128 {
        let mut number = self.encrypt(place);
        while number >= self.len {
            number = self.encrypt(number);
        }
        number
    }

    fn encrypt(&self, number: u128) -> u128 {
        let mask = u64::MAX >> (u64::BITS - self.half_bits);
        let (mut left, mut right) = ((number >> self.half_bits) as u64 & mask, number as u64 & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right) & mask);
        }
        u128::from(left) << self.half_bits | u128::from(right)
    }

    fn mix(&self, round: u32, half: u64) -> u64 {
        // Layers from 1 on keep these words apart from those that draw hyperparameters.
        let stream = Stream::new(self.seed, Purpose::Draw).layer(1 + round);
        let [low, high, ..] = stream.epoch(half as u32).step((half >> 32) as u32).block(0);
        u64::from(high) << 32 | u64::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_place() {
        for len in (1..70).chain([300, 1000, 1025]) {
            let order = Permutation::new(7, len);
            let mut numbers: Vec<_> = (0..len).map(|place| order.at(place)).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_give_different_orders_of_any_length() {
        for len in [300, 202_000_000, u128::MAX] {
            let [first, second] = [1, 2].map(|seed| Permutation::new(seed, len));
            let head = |order: Permutation| (0..50).map(|place| order.at(place)).collect::<Vec<_>>();
            assert_ne!(head(first), head(second));
            assert!(head(first).iter().all(|number| *number < len));
        }
    }
}
