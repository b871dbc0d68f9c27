//! How Rung's programs know each other.
//!
//! A coordinator's certificate authority is known by its [`Pin`]; a [`Token`] carries the pin and a secret; a worker
//! exchanges a token for a certificate, whose [`Subject`] says who it is and is kept in an [`Identity`]; [`Dial`] makes
//! connections with any of these. On the coordinator's own machine the file that it publishes ([`Published`]) is enough.

mod role;
pub use role::{Role, UnknownRole};

mod pin;
pub use pin::{InvalidPin, Pin, pin_of_key};

mod secret;
pub use secret::Secret;

mod token;
pub use token::{InvalidToken, Token};

pub mod revealed;

mod subject;
pub use subject::{InvalidSubject, Subject};

mod files;
pub use files::{CERTIFICATES_MOST, pem_certificates, pem_key, read_private, write_private};

mod published;
pub use published::{ADDRESS_FILE, LOCK_FILE, Published, default_state};

mod identity;
pub use identity::{Identities, Identity, IdentityError, Place, Request};

mod verify;

mod tls;
pub use tls::{OwnPki, TlsError, Trust, provider};

mod socket;
pub use socket::prompt;

mod dial;
pub use dial::{Bearer, Dial, DialError, Link, WORKER_HEADER, root_cause};
