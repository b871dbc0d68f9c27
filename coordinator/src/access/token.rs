//! A token as the coordinator keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use common::{checkpoint::Digest, ids::WorkerId, time::Timestamp};
use serde::{Deserialize, Serialize};
use trust::Role;

/// What a token is called in lists and logs: eight hexadecimal digits that say nothing of its secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub(super) String);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token as it is kept: with its secret's hash alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// What it is called.
    pub id: TokenId,
    /// What it lets in for.
    pub role: Role,
    /// What it is for, for people.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// How many workers may still join by it; a person's token has none to count.
    pub uses_left: u32,
    /// Whether it was taken away.
    pub revoked: bool,
    /// Workers that have joined by it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub joined: BTreeSet<WorkerId>,
    /// What each of them asked with last: the same request again is no further use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) requests: BTreeMap<WorkerId, Digest>,
    pub(super) hash: String,
}

impl StoredToken {
    /// Whether it lets in, or why it does not.
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked {
            TokenState::Revoked
        } else if now >= self.expires {
            TokenState::Expired
        } else if self.role == Role::Worker && self.uses_left == 0 {
            TokenState::UsedUp
        } else {
            TokenState::Valid
        }
    }
}

/// Whether a token lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// As many workers as it was for have joined by it.
    UsedUp,
    /// It was taken away.
    Revoked,
}

impl fmt::Display for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::UsedUp => "used up",
            Self::Revoked => "revoked",
        })
    }
}

/// What a new token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it lets in for.
    pub role: Role,
    /// What it is for.
    pub name: String,
    /// How long it lets in.
    pub life: Duration,
    /// How many workers may join by it.
    pub uses: u32,
}
