use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

use crate::{Pin, Role, Secret};

/// How every token begins, so that people and secret scanners know one.
const PREFIX: &str = "rung_";
/// The only layout so far: version, role, secret, pin where there is one, check.
const VERSION: u8 = 1;
/// Bytes of the check: enough to tell a token that was cut off or mistyped.
const CHECK: usize = 4;
/// A token's bytes without a pin.
const SHORT: usize = 2 + Secret::BYTES + CHECK;

/// A secret to be handed over: what it lets in for, and how to know the coordinator that it is for.
///
/// A worker's token is exchanged for a certificate. A person's is sent with every call. `Debug` hides the secret; the
/// text that is handed over comes from [`Token::reveal`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it lets in for. The coordinator goes by what it has stored, not by this.
    pub role: Role,
    /// The secret.
    pub secret: Secret,
    /// The authority of the coordinator; none where that has no TLS, or certificates of its owner's.
    pub pin: Option<Pin>,
}

impl Token {
    /// The text that is handed over.
    pub fn reveal(&self) -> String {
        let mut bytes = vec![VERSION, number(self.role)];
        bytes.extend_from_slice(self.secret.as_bytes());
        bytes.extend(self.pin.iter().flat_map(Pin::as_bytes));
        let check = digest(&SHA256, &bytes);
        bytes.extend_from_slice(&check.as_ref()[..CHECK]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(InvalidToken::Foreign)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidToken::Damaged)?;
        let (body, check) = bytes.split_last_chunk::<CHECK>().ok_or(InvalidToken::Damaged)?;
        if digest(&SHA256, body).as_ref()[..CHECK] != *check {
            return Err(InvalidToken::Damaged);
        }
        let &[version, role, ref rest @ ..] = body else { return Err(InvalidToken::Damaged) };
        if version != VERSION {
            return Err(InvalidToken::Newer);
        }
        let (secret, pin) = rest.split_first_chunk::<{ Secret::BYTES }>().ok_or(InvalidToken::Damaged)?;
        let pin = match pin {
            [] => None,
            pin => Some(Pin::from_bytes(pin.try_into().map_err(|_| InvalidToken::Damaged)?)),
        };
        let role = Role::ALL.into_iter().find(|known| number(*known) == role).ok_or(InvalidToken::Newer)?;
        debug_assert!(bytes.len() >= SHORT);
        Ok(Self { role, secret: Secret::from_bytes(*secret), pin })
    }
}

fn number(role: Role) -> u8 {
    match role {
        Role::Viewer => 1,
        Role::Operator => 2,
        Role::Admin => 3,
        Role::Worker => 4,
    }
}

/// A text that is no token. The text itself is not repeated: it may be a secret with a slip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It does not begin like one.
    #[error("a token begins with `{PREFIX}`; `rung token create` prints one")]
    Foreign,
    /// Its check does not fit.
    #[error("the token is cut off or mistyped: copy it whole, or make another with `rung token create`")]
    Damaged,
    /// It is of another release.
    #[error("the token was made by a newer rung: use the same release on both machines")]
    Newer,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(role: Role, pin: bool) -> Token {
        Token { role, secret: Secret::draw(), pin: pin.then(|| Pin::from_bytes([7; 32])) }
    }

    #[test]
    fn a_token_is_read_back_and_hides_its_secret() {
        for role in Role::ALL {
            for pin in [false, true] {
                let token = token(role, pin);
                let text = token.reveal();
                assert_eq!(text.parse(), Ok(token.clone()));
                assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
                let shown = format!("{token:?}");
                assert!(shown.contains("Secret(…)") && !shown.contains(&text[5..]), "{shown}");
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = vec![9, 1];
        bytes.extend([0; 32]);
        let check = digest(&SHA256, &bytes).as_ref()[..CHECK].to_vec();
        bytes.extend(check);
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(text.parse::<Token>(), Err(InvalidToken::Newer));
        assert_eq!("hunter2".parse::<Token>(), Err(InvalidToken::Foreign));
        assert!(!InvalidToken::Damaged.to_string().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(rung_)?[A-Za-z0-9_-]{0,120}|\\PC{0,200}") {
            let _ = text.parse::<Token>();
        }

        #[test]
        fn a_flipped_bit_is_noticed(byte in 5usize..90, bit in 0u8..8) {
            let text = token(Role::Worker, true).reveal();
            let mut bytes = text.clone().into_bytes();
            let at = byte.min(bytes.len() - 1);
            bytes[at] ^= 1 << bit;
            let flipped = String::from_utf8_lossy(&bytes).into_owned();
            // What the last character's unused bits say is refused too, so no two texts mean one token.
            prop_assert!(flipped.trim() == text || flipped.parse::<Token>().is_err());
        }
    }
}
