//! Who may do what: the outermost layer of a coordinator.
//!
//! In the order of a call's life: [`listener`] takes a connection, within [`limits`], and speaks TLS; [`judge`] says what
//! a certificate is worth, [`book`] what a [`token`] is; [`guard`] asks [`Access`] whether the [`policy`] lets this caller make
//! this call, and writes acts and refusals to the [`audit`] log. [`gate`] ends connections whose access has ended.

mod admission;
mod audit;
mod authority;
mod book;
mod caller;
mod connection;
mod gate;
mod grants;
mod guard;
mod judge;
pub(crate) mod limits;
mod listener;
pub mod policy;
mod seats;
mod setup;
#[cfg(test)]
mod tests;
mod token;

pub use audit::Entry;
pub use authority::AuthorityError;
pub use caller::Caller;
pub use grants::GrantError;
pub(crate) use guard::About;
pub use guard::{Guard, GuardLayer};
pub(crate) use listener::accept;
pub use setup::{AccessError, Opened};
pub use token::{NewToken, StoredToken, TokenId, TokenState};

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use trust::Pin;

use self::{
    audit::Audit,
    authority::Authority,
    book::Book,
    caller::Credential,
    gate::Gate,
    policy::{Audited, Rule},
};
use crate::clock::date;

/// Decides about every call, and gives and takes access.
#[derive(Debug)]
pub struct Access {
    book: Book,
    audit: Audit,
    authority: Option<Authority>,
    /// The hash of the secret that the coordinator's own user has; none where nobody is asked.
    local: Option<String>,
    certificate_life: Duration,
    advertised: String,
    /// Connections by what was proven on them.
    open: Mutex<BTreeMap<Credential, Vec<Weak<Gate>>>>,
}

impl Access {
    /// The host and port that other machines reach the coordinator by.
    pub fn advertised(&self) -> &str {
        &self.advertised
    }

    /// The authority's pin; none where the coordinator has no authority of its own.
    pub fn pin(&self) -> Option<Pin> {
        self.authority.as_ref().map(Authority::pin)
    }

    /// Writes what was done to the audit log, as often as the policy says.
    pub(crate) fn record(
        &self,
        caller: &Caller,
        peer: SocketAddr,
        rule: &Rule,
        (about, outcome): (String, String),
    ) {
        let entry = || self.entry(caller, peer, rule.path, (about, outcome));
        match rule.audited {
            Audited::Never => {}
            Audited::Sparsely => self.audit.repeated(&entry(), peer.ip()),
            Audited::Always => self.audit.record(&entry()),
        }
    }

    fn refuse(&self, caller: &Caller, peer: SocketAddr, path: &str) {
        let entry = self.entry(caller, peer, path, (String::new(), "refused".to_owned()));
        self.audit.refused(&entry, peer.ip());
    }

    fn entry(
        &self,
        caller: &Caller,
        peer: SocketAddr,
        path: &str,
        (about, outcome): (String, String),
    ) -> Entry {
        // What a stranger makes up has no place in the log.
        let known = policy::rule(path).and_then(|rule| rule.path.rsplit('/').next());
        let call = known.unwrap_or("(unknown)").to_owned();
        Entry { at: date(), who: caller.to_string(), from: peer.to_string(), call, about, outcome }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
