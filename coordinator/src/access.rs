//! Who may do what: the outermost layer of a coordinator.
//!
//! In the order of a call's life: [`listener`] takes a connection, within [`limits`], and speaks TLS; [`judge`] says what
//! a certificate is worth, [`book`] what a token is; [`guard`] asks [`Access`] whether the [`policy`] lets this caller make
//! this call, and writes acts and refusals to the [`audit`] log. [`gate`] ends connections whose access has ended.

mod audit;
mod authority;
mod book;
mod caller;
mod connection;
mod gate;
mod guard;
mod judge;
pub(crate) mod limits;
mod listener;
pub mod policy;
mod seats;
mod setup;
#[cfg(test)]
mod tests;

pub use audit::Entry;
pub use authority::AuthorityError;
pub use book::{NewToken, StoredToken, TokenId, TokenState};
pub use caller::Caller;
pub use guard::{Guard, GuardLayer};
pub use setup::{AccessError, Opened};
pub(crate) use guard::About;
pub(crate) use listener::accept;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use common::{ids::WorkerId, time::Timestamp};
use tonic::{Status, codegen::http};
use trust::{Pin, Role, Subject, Token};

use self::{
    audit::Audit, authority::Authority, book::Book, caller::Credential, gate::Gate, judge::Presented, policy::{Needs, Rule},
};
use crate::clock::Clock;

/// How long after its end a worker's certificate is still good for a new one.
const LATE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Decides about every call, and gives and takes access.
#[derive(Debug)]
pub struct Access {
    book: Mutex<Book>,
    audit: Audit,
    authority: Option<Authority>,
    /// The hash of the secret that the coordinator's own user has; none where nobody is asked.
    local: Option<String>,
    certificate_life: Duration,
    advertised: String,
    clock: Clock,
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

    /// Whether the policy lets whoever makes a call make it, and who that is. A refusal is in the audit log.
    pub(crate) fn admit(
        &self,
        gate: &Arc<Gate>,
        path: &str,
        headers: &http::HeaderMap,
    ) -> Result<(&'static Rule, Caller), Status> {
        let now = self.clock.now();
        let (caller, left) = match self.caller(gate, headers, now) {
            Ok(known) => known,
            Err(reason) => {
                self.refuse(&Caller::Anonymous, gate.peer, path);
                return Err(Status::unauthenticated(reason));
            }
        };
        let rule = policy::rule(path);
        let Some(rule) = rule.filter(|rule| rule.needs.admits(&caller)) else {
            self.refuse(&caller, gate.peer, path);
            return Err(refusal(rule, &caller));
        };
        if caller != Caller::Anonymous {
            let credential = caller.credential();
            if gate.prove(credential.clone(), left)
                && let Some(credential) = credential
            {
                self.attach(credential, gate);
            }
        }
        Ok((rule, caller))
    }

    /// Who makes a call, and for how much longer that is certain; or why what was shown is worth nothing.
    fn caller(
        &self,
        gate: &Gate,
        headers: &http::HeaderMap,
        now: Timestamp,
    ) -> Result<(Caller, Option<Duration>), String> {
        match (headers.get(http::header::AUTHORIZATION), &gate.presented) {
            (Some(value), _) => {
                let text = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
                let token = text.ok_or("the authorization header must be `Bearer TOKEN`")?.parse();
                self.bearer(&token.map_err(|error: trust::InvalidToken| error.to_string())?, now)
            }
            (None, Presented::Certificate(subject)) => self.certified(subject, now),
            (None, Presented::Worthless(reason)) => Err(reason.clone()),
            (None, Presented::Nothing) if self.local.is_none() => Ok((Caller::Local, None)),
            (None, Presented::Nothing) => Ok((Caller::Anonymous, None)),
        }
    }

    fn bearer(&self, token: &Token, now: Timestamp) -> Result<(Caller, Option<Duration>), String> {
        if self.local.as_ref() == Some(&token.secret.hash()) {
            return Ok((Caller::Local, None));
        }
        let book = self.book();
        let Some(stored) = book.token(&token.secret) else {
            return Err("the token is not known here: it is another coordinator's, or was forgotten long after its end; \
                        `rung token create` makes one"
                .to_owned());
        };
        let (id, name, role) = (stored.id.clone(), stored.name.clone(), stored.role);
        match stored.state(now) {
            TokenState::Valid => {
                let left = stored.expires.since(now);
                let person = Caller::Person { token: id.clone(), name, role };
                Ok((if role == Role::Worker { Caller::Joiner(id) } else { person }, Some(left)))
            }
            TokenState::Expired => Err(format!("token {id} has expired: `rung token create` makes another")),
            TokenState::UsedUp => Err(format!(
                "token {id} is used up: as many workers as it was for have joined; `rung token create` makes another"
            )),
            TokenState::Revoked => Err(format!("token {id} was revoked")),
        }
    }

    fn certified(&self, subject: &Subject, now: Timestamp) -> Result<(Caller, Option<Duration>), String> {
        let name = &subject.name;
        if let Some(revoked) = self.book().revoked(name)
            && subject.not_before * 1000 <= revoked.0
        {
            return Err(format!("the certificate of {name} was revoked: `rung token create` lets it join again"));
        }
        let (end, now) = (Duration::from_secs(subject.not_after), Duration::from_millis(now.0));
        let subject = subject.clone();
        match end.checked_sub(now).filter(|left| !left.is_zero()) {
            Some(left) => Ok((Caller::Certified { subject, ended: false }, Some(left))),
            None if self.authority.is_some() && subject.role == Role::Worker && now - end < LATE => {
                Ok((Caller::Certified { subject, ended: true }, Some(limits::PROOF)))
            }
            None => Err(format!(
                "the certificate of {name} ended more than {} days ago: `rung token create` lets it join again",
                LATE.as_secs() / 86_400
            )),
        }
    }

    /// Makes a token.
    pub fn create_token(&self, wanted: NewToken) -> Result<(Token, StoredToken), GrantError> {
        if wanted.role == Role::Worker && self.authority.is_none() {
            return Err(GrantError::NoAuthority);
        }
        if self.local.is_none() {
            return Err(GrantError::NobodyAsked);
        }
        Ok(self.book().create(wanted, self.pin(), self.clock.now())?)
    }

    /// All tokens, oldest first, and whether they let in.
    pub fn tokens(&self) -> Vec<(StoredToken, TokenState)> {
        let now = self.clock.now();
        self.book().tokens().iter().map(|token| (token.clone(), token.state(now))).collect()
    }

    /// Takes a token's access away and closes what is open by it.
    pub fn revoke_token(&self, id: &str) -> Result<(), GrantError> {
        let id = self.book().revoke_token(id)?.ok_or_else(|| GrantError::UnknownToken(id.to_owned()))?;
        self.detach(&Credential::Token(id));
        Ok(())
    }

    /// Takes the certificates of a worker away and closes what is open by them.
    pub fn revoke_worker(&self, worker: &WorkerId) -> Result<(), GrantError> {
        self.book().revoke_certificates(worker, self.clock.now())?;
        self.detach(&Credential::Certificate(worker.clone()));
        Ok(())
    }

    /// A worker's first certificate, in exchange for one use of its token.
    pub fn join(&self, token: &TokenId, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        let authority = self.authority.as_ref().ok_or(GrantError::NoAuthority)?;
        // Signed first, so that a request that makes no sense costs no use of the token.
        let certificate = self.sign(authority, worker, csr)?;
        match self.book().spend(token, self.clock.now())? {
            true => Ok(certificate),
            false => Err(GrantError::Spent(token.clone())),
        }
    }

    /// A worker's next certificate.
    pub fn renew(&self, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        self.sign(self.authority.as_ref().ok_or(GrantError::NoAuthority)?, worker, csr)
    }

    fn sign(&self, authority: &Authority, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        let now = self.clock.now();
        // Certificates count seconds: one that is given in the second of a revocation must be later than it.
        let revoked = self.book().revoked(worker).map_or(0, |at| at.0 / 1000 + 1);
        let from = Duration::from_secs((now.0 / 1000).max(revoked));
        let signed = authority.sign(csr, worker, (from, from + self.certificate_life));
        signed.map_err(|error| GrantError::Request(error.to_string()))
    }

    /// The newest entries of the audit log, oldest first.
    pub fn audit(&self, most: usize) -> Result<Vec<Entry>, GrantError> {
        Ok(self.audit.last(most)?)
    }

    /// Writes what was done to the audit log.
    pub(crate) fn record(&self, caller: &Caller, peer: SocketAddr, path: &str, (about, outcome): (String, String)) {
        self.audit.record(&self.entry(caller, peer, path, (about, outcome)));
    }

    fn refuse(&self, caller: &Caller, peer: SocketAddr, path: &str) {
        let entry = self.entry(caller, peer, path, (String::new(), "refused".to_owned()));
        self.audit.refused(&entry, peer.ip());
    }

    fn entry(&self, caller: &Caller, peer: SocketAddr, path: &str, (about, outcome): (String, String)) -> Entry {
        let call = path.rsplit('/').next().unwrap_or_default();
        let call = call.chars().filter(char::is_ascii_graphic).take(64).collect();
        Entry { at: self.clock.now(), who: caller.to_string(), from: peer.to_string(), call, about, outcome }
    }

    fn attach(&self, credential: Credential, gate: &Arc<Gate>) {
        let mut open = lock(&self.open);
        open.retain(|_, gates| {
            gates.retain(|gate| gate.strong_count() > 0);
            !gates.is_empty()
        });
        open.entry(credential).or_default().push(Arc::downgrade(gate));
    }

    fn detach(&self, credential: &Credential) {
        let gates = lock(&self.open).remove(credential).unwrap_or_default();
        gates.iter().filter_map(Weak::upgrade).for_each(|gate| gate.close());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a call is refused, and what to do.
fn refusal(rule: Option<&Rule>, caller: &Caller) -> Status {
    let needs = rule.map(|rule| rule.needs);
    match (needs, caller) {
        (Some(Needs::Role(Role::Worker) | Needs::JoinToken | Needs::Certificate), Caller::Anonymous) => {
            Status::unauthenticated(
                "a worker needs a token here: `rung token create` on the coordinator's machine prints the line that \
                 starts one; on that machine itself, --state DIR names the coordinator's state folder",
            )
        }
        (_, Caller::Anonymous) => Status::unauthenticated(
            "who calls is not known here: `rung login HOST:PORT --token TOKEN` with a token that an admin makes by \
             `rung token create --role viewer`; on the coordinator's machine itself, --state DIR names its state folder",
        ),
        (None, _) => Status::unimplemented("there is no such call here"),
        (_, Caller::Joiner(token)) => Status::permission_denied(format!(
            "token {token} is a worker's: start `rung-worker --join HOST:PORT --token TOKEN` with it"
        )),
        (_, Caller::Certified { ended: true, .. }) => {
            Status::unauthenticated("the certificate has ended: it is good for a new one and nothing else")
        }
        (Some(Needs::Role(least)), caller) => {
            let role = caller.role().map_or_else(|| "none".to_owned(), |role| role.to_string());
            Status::permission_denied(format!("this needs the role {least}, and {caller} has the role {role}"))
        }
        (Some(_), caller) => Status::permission_denied(format!("this is not for {caller}")),
    }
}

/// Why access was not given or taken.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no authority to sign with.
    #[error(
        "this coordinator signs no certificates: with certificates of one's own, give each worker its --tls-ca, \
         --tls-cert and --tls-key; with --no-tls, workers of its own user alone can join"
    )]
    NoAuthority,
    /// Everybody is let in anyway.
    #[error("this coordinator runs with --no-auth and asks nobody for a token")]
    NobodyAsked,
    /// The request for a certificate makes no sense.
    #[error("the request for a certificate cannot be read: {0}")]
    Request(String),
    /// There is no such token.
    #[error("there is no token {0}; `rung token list` shows them")]
    UnknownToken(String),
    /// The token's last use was taken a moment ago.
    #[error("token {0} is used up: `rung token create` makes another")]
    Spent(TokenId),
    /// The folder cannot be written.
    #[error("the state folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}
