//! A token's whole text in a file that its owner alone can read: for serde's `with`.

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

use crate::Token;

/// Writes the token with its secret.
pub fn serialize<S: Serializer>(token: &Option<Token>, to: S) -> Result<S::Ok, S::Error> {
    match token {
        Some(token) => to.serialize_some(&token.reveal()),
        None => to.serialize_none(),
    }
}

/// Reads a token with its secret.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Token>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
}
