//! The hash of all that happened, and the text of it where somebody wants to read it.

use std::{
    fmt::{self, Write as _},
    hash::Hasher as _,
};

/// Everything that happened so far, in one number.
#[derive(Default)]
pub(crate) struct Trace {
    hash: Hash,
    aloud: bool,
}

/// A hash that text is written into.
#[derive(Default)]
#[allow(deprecated, reason = "the one hasher of the standard library whose keys are fixed")]
struct Hash(std::hash::SipHasher);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Trace {
    /// A trace that is also printed, or not.
    pub(crate) fn new(aloud: bool) -> Self {
        Self { aloud, ..Self::default() }
    }

    /// Adds something that happened.
    pub(crate) fn note(&mut self, now: u64, what: &dyn fmt::Debug) {
        // Writing into a hash cannot fail.
        let _ = write!(self.hash, "{now}{what:?}");
        if self.aloud {
            #[allow(clippy::print_stdout, reason = "the trace is what was asked for")]
            {
                println!("{:>10.3} {what:?}", now as f64 / 1000.0);
            }
        }
    }

    /// The hash of all that was noted.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.0.finish()
    }
}
