//! Counter-based randomness: every draw is a pure function of a seed and coordinates.
//!
//! There is no generator state to keep, so a resumed trial draws what an unbroken one would have drawn, on any
//! worker, in any order. The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011), checked against the authors' published vectors.

/// What a stream of numbers is for. Streams of different purposes never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Seeds derived from seeds.
    Seed = 1,
    /// A trial's hyperparameters.
    Draw = 2,
    /// Which samples are held out for validation.
    Split = 3,
    /// The order of training samples in an epoch.
    Order = 4,
    /// How a training sample is augmented in an epoch.
    Augment = 5,
    /// Initial weights.
    Init = 6,
    /// Dropout masks.
    Dropout = 7,
}

/// One stream of 32-bit words: a seed, a purpose and where in training it is used.
///
/// The counter is `[element / 4, step, epoch, purpose << 24 | layer]`, the key is the seed's two halves, so that
/// C code can draw the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    step: u32,
    epoch: u32,
    tag: u32,
}

impl Stream {
    /// The stream of a seed and a purpose at coordinates zero.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], step: 0, epoch: 0, tag: (purpose as u32) << 24 }
    }

    /// This stream at an epoch (or trial, or sample: the coordinate's meaning is the purpose's).
    #[must_use]
    pub fn epoch(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }

    /// This stream at a step.
    #[must_use]
    pub fn step(self, step: u32) -> Self {
        Self { step, ..self }
    }

    /// This stream for a layer, counted from 0; only the low 24 bits count.
    #[must_use]
    pub fn layer(self, layer: u32) -> Self {
        Self { tag: self.tag & 0xff00_0000 | layer & 0x00ff_ffff, ..self }
    }

    /// The four words at positions `4 * block` to `4 * block + 3`.
    pub fn block(&self, block: u32) -> [u32; 4] {
        philox4x32_10([block, self.step, self.epoch, self.tag], self.key)
    }

    /// The words from position 0 on.
    pub fn words(self) -> Words {
        Words { stream: self, next: 0, block: [0; 4] }
    }
}

/// Reads a stream word by word.
#[derive(Debug, Clone)]
pub struct Words {
    stream: Stream,
    next: u64,
    block: [u32; 4],
}

impl Words {
    /// The next 32 random bits.
    pub fn word(&mut self) -> u32 {
        let lane = (self.next % 4) as usize;
        if lane == 0 {
            self.block = self.stream.block((self.next / 4) as u32);
        }
        self.next += 1;
        self.block[lane]
    }

    /// The next real number, uniform in [0, 1), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let bits = u64::from(self.word()) << 32 | u64::from(self.word());
        (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// The next whole number, uniform in `0..bound`, exactly (Lemire, "Fast random integer generation in an
    /// interval", 2019). `bound` must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.word()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// The next whole number, uniform in `0..bound`, exactly: like [`Words::below`] where the bound fits in 32 bits,
    /// and by the same method on 64 bits where it does not. `bound` must not be 0.
    pub fn below_u64(&mut self, bound: u64) -> u64 {
        if let Ok(bound) = u32::try_from(bound) {
            return u64::from(self.below(bound));
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let bits = u64::from(self.word()) << 32 | u64::from(self.word());
            let product = u128::from(bits) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

/// The order in which `count` training samples are visited in an epoch; shared by all trials of a data seed.
pub fn order(data_seed: u64, epoch: u32, count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    Stream::new(data_seed, Purpose::Order).epoch(epoch).words().shuffle(&mut order);
    order
}

/// The words that decide how one training sample is augmented in an epoch; shared by all trials of a data seed.
pub fn augment(data_seed: u64, epoch: u32, sample: u32) -> Words {
    Stream::new(data_seed, Purpose::Augment).epoch(epoch).step(sample).words()
}

/// A trial's own seed, from which its initial weights and dropout masks come.
///
/// Seeds have 53 bits, so that they survive every JSON and YAML reader.
pub fn trial_seed(study_seed: u64, trial: u32) -> u64 {
    let [low, high, ..] = Stream::new(study_seed, Purpose::Seed).epoch(trial).block(0);
    (u64::from(high) << 32 | u64::from(low)) >> 11
}

/// An ensemble member's data seed, from which its order of samples and its augmentation come; 53 bits too.
pub fn data_seed(study_seed: u64, member: u32) -> u64 {
    let [low, high, ..] = Stream::new(study_seed, Purpose::Seed).layer(1).epoch(member).block(0);
    (u64::from(high) << 32 | u64::from(low)) >> 11
}

/// Philox4x32 with ten rounds.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let p0 = MULTIPLIER[0] * u64::from(c0);
        let p1 = MULTIPLIER[1] * u64::from(c2);
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests;
