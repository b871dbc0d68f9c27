use std::fmt;

use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

/// 256 random bits that let whoever has them in. Never printed: neither by `Debug` nor in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; Self::BYTES]);

impl Secret {
    /// A secret's length.
    pub const BYTES: usize = 32;

    /// A new one, drawn by the operating system.
    ///
    /// # Panics
    ///
    /// Panics where the operating system has no randomness: no key could be made there either.
    pub fn draw() -> Self {
        let mut bytes = [0; Self::BYTES];
        #[allow(clippy::expect_used, reason = "nothing secret can be made without it")]
        SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
        Self(bytes)
    }

    /// What is stored of it: its SHA-256 in hexadecimal. 256 random bits need no salt and no slow hash.
    pub fn hash(&self) -> String {
        digest(&SHA256, &self.0).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
