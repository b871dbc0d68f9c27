use std::{fmt, str::FromStr};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The SHA-256 of a certificate's public key (its SubjectPublicKeyInfo): what a cluster's authority is known by.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin([u8; Self::BYTES]);

impl Pin {
    /// A pin's length.
    pub const BYTES: usize = 32;

    /// The pin of these bytes.
    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The pin of a certificate in DER; none where that is no certificate.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then(|| pin_of_key(certificate.tbs_certificate.subject_pki.raw))
    }
}

/// The pin of a public key, as a certificate holds it (SubjectPublicKeyInfo, DER).
pub fn pin_of_key(info: &[u8]) -> Pin {
    let mut bytes = [0; Pin::BYTES];
    bytes.copy_from_slice(digest(&SHA256, info).as_ref());
    Pin(bytes)
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 2 * Self::BYTES || !text.bytes().all(lower) {
            return Err(InvalidPin);
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| InvalidPin)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidPin)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Pin {
    type Error = InvalidPin;

    fn try_from(text: String) -> Result<Self, InvalidPin> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

/// A text that is no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pin is 64 hexadecimal digits")]
pub struct InvalidPin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_back() {
        let pin = Pin([0xa5; 32]);
        assert_eq!(pin.to_string().parse(), Ok(pin));
        for bad in ["", "a5", &"A5".repeat(32), &"é".repeat(32), &"a5".repeat(33)] {
            assert_eq!(bad.parse::<Pin>(), Err(InvalidPin), "{bad}");
        }
        assert_eq!(Pin::of_certificate(b"no certificate"), None);
    }
}
