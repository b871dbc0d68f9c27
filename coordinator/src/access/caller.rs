use std::fmt;

use common::ids::WorkerId;
use trust::{Role, Subject};

use super::token::TokenId;

/// Who makes a call, as far as is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody that is known.
    Anonymous,
    /// The coordinator's own user on its own machine; or anybody, where nobody is asked.
    Local,
    /// Somebody with a worker's token, which is good for a certificate and nothing else.
    Joiner(TokenId),
    /// Somebody with a person's token.
    Person {
        /// The token.
        token: TokenId,
        /// What the token is called.
        name: String,
        /// What it lets in for.
        role: Role,
    },
    /// Somebody with a certificate of the cluster's authority.
    Certified {
        /// Who it is for.
        subject: Subject,
        /// Whether it has ended, so that all it is good for is a new one.
        ended: bool,
    },
}

impl Caller {
    /// The worker that the caller is proven to be; none for the coordinator's own user, who is believed.
    pub fn worker(&self) -> Option<&WorkerId> {
        match self {
            Self::Certified { subject, .. } if subject.role == Role::Worker => Some(&subject.name),
            _ => None,
        }
    }

    /// The role that it acts in; none for somebody unknown or about to join.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Anonymous | Self::Joiner(_) => None,
            Self::Local => Some(Role::Admin),
            Self::Person { role, .. } => Some(*role),
            Self::Certified { subject, .. } => Some(subject.role),
        }
    }

    /// What its access is revoked by; none where that cannot be taken away.
    pub(crate) fn credential(&self) -> Option<Credential> {
        match self {
            Self::Anonymous | Self::Local => None,
            Self::Joiner(token) | Self::Person { token, .. } => Some(Credential::Token(token.clone())),
            Self::Certified { subject, .. } => Some(Credential::Certificate(subject.name.clone())),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Local => f.write_str("local"),
            Self::Joiner(token) => write!(f, "token {token}"),
            Self::Person { token, name, .. } if name.is_empty() => write!(f, "token {token}"),
            Self::Person { token, name, .. } => write!(f, "token {token} ({name})"),
            Self::Certified { subject, .. } => write!(f, "{} {}", subject.role, subject.name),
        }
    }
}

/// What access comes from, and ends with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Credential {
    /// A token.
    Token(TokenId),
    /// Certificates of this name.
    Certificate(WorkerId),
    /// Being a worker of the coordinator's own user that says to have this name; nothing takes that away.
    Own(WorkerId),
}
