//! Giving access and taking it away.

use std::{io, sync::Weak, time::Duration};

use common::ids::WorkerId;
use trust::{Role, Token};

use super::{
    Access, Entry, NewToken, StoredToken, TokenId, TokenState, authority::Authority, book::Spending,
    caller::Credential, lock,
};
use crate::clock::date;

impl Access {
    /// Makes a token.
    pub fn create_token(&self, wanted: NewToken) -> Result<(Token, StoredToken), GrantError> {
        if wanted.role == Role::Worker && self.authority.is_none() {
            return Err(GrantError::NoAuthority);
        }
        if self.local.is_none() {
            return Err(GrantError::NobodyAsked);
        }
        Ok(self.book.create(wanted, self.pin(), date())?)
    }

    /// All tokens, oldest first, and whether they let in.
    pub fn tokens(&self) -> Vec<(StoredToken, TokenState)> {
        let now = date();
        self.book.pages().tokens().iter().map(|token| (token.clone(), token.state(now))).collect()
    }

    /// Takes a token's access away and closes what is open by it, and stores that.
    pub fn revoke_token(&self, id: &str) -> Result<(), GrantError> {
        let revoked = self.book.revoke_token(id);
        let id = revoked.ok_or_else(|| GrantError::UnknownToken(id.chars().take(64).collect()))?;
        self.detach(&Credential::Token(id));
        self.book.store().map_err(GrantError::NotStored)
    }

    /// Takes the certificates of a worker away, and the tokens by which it joined, and closes what is open by them, and
    /// stores that. Tells whether the worker is known: by an open connection, or by a token.
    pub fn revoke_worker(&self, worker: &WorkerId) -> Result<bool, GrantError> {
        let certificate = Credential::Certificate(worker.clone());
        let known = self.is_connected(&certificate) || self.book.pages().has_joined(worker);
        if !known && self.is_connected(&Credential::Own(worker.clone())) {
            return Err(GrantError::Own(worker.clone()));
        }
        let tokens = self.book.revoke_certificates(worker, date());
        tokens.into_iter().for_each(|token| self.detach(&Credential::Token(token)));
        self.detach(&certificate);
        self.book.store().map_err(GrantError::NotStored)?;
        Ok(known)
    }

    /// A worker's first certificate, in exchange for one use of its token. Not while a worker of that name is connected by a
    /// certificate: a token is no way to become another. Whoever has a certificate already needs none to come back.
    pub fn join(&self, token: &TokenId, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        let authority = self.authority.as_ref().ok_or(GrantError::NoAuthority)?;
        if self.is_connected(&Credential::Certificate(worker.clone())) {
            return Err(GrantError::Connected(worker.clone()));
        }
        // Signed first, so that a request that makes no sense costs no use of the token.
        let certificate = self.sign(authority, worker, csr)?;
        match self.book.spend(token, (worker, csr), date())? {
            Spending::Joined => Ok(certificate),
            Spending::Over => Err(GrantError::Spent(token.clone())),
            Spending::Older => Err(GrantError::Older { token: token.clone(), worker: worker.clone() }),
        }
    }

    /// A worker's next certificate.
    pub fn renew(&self, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        self.sign(self.authority.as_ref().ok_or(GrantError::NoAuthority)?, worker, csr)
    }

    /// How long until a certificate that is given to a worker now begins to hold: a moment after a revocation, since
    /// certificates count seconds.
    pub(crate) fn until_valid(&self, worker: &WorkerId) -> Duration {
        let now = date();
        let revoked = self.book.pages().revoked(worker).map_or(0, |at| (at.0 / 1000 + 1) * 1000);
        Duration::from_millis(revoked.saturating_sub(now.0))
    }

    fn sign(&self, authority: &Authority, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        let now = date();
        // Certificates count seconds: one that is given in the second of a revocation must be later than it.
        let revoked = self.book.pages().revoked(worker).map_or(0, |at| at.0 / 1000 + 1);
        let from = Duration::from_secs((now.0 / 1000).max(revoked));
        let signed = authority.sign(csr, worker, (from, from + self.certificate_life));
        signed.map_err(|error| GrantError::Request(error.to_string()))
    }

    /// The newest entries of the audit log, oldest first.
    pub fn audit(&self, most: usize) -> Result<Vec<Entry>, GrantError> {
        Ok(self.audit.last(most)?)
    }

    /// Whether a connection is open by a credential.
    fn is_connected(&self, credential: &Credential) -> bool {
        let open = lock(&self.open);
        let gates = open.get(credential).into_iter().flatten();
        gates.filter_map(Weak::upgrade).any(|gate| gate.is_open())
    }

    fn detach(&self, credential: &Credential) {
        let gates = lock(&self.open).remove(credential).unwrap_or_default();
        gates.iter().filter_map(Weak::upgrade).for_each(|gate| gate.close());
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
    /// The token's last use was taken.
    #[error(
        "token {0} is used up: as many workers as it was for have joined; `rung token create` makes another"
    )]
    Spent(TokenId),
    /// The token is older than the worker's revocation.
    #[error(
        "worker {worker} was revoked after token {token} was made: a token that `rung token create` makes now lets it join \
         again"
    )]
    Older {
        /// The token.
        token: TokenId,
        /// The worker.
        worker: WorkerId,
    },
    /// There is a worker of that name already.
    #[error(
        "a worker of the name {0} is connected: stop that one first, or give this one another name with --id"
    )]
    Connected(WorkerId),
    /// There is no certificate to take away.
    #[error(
        "worker {0} is of the coordinator's own user, who needs no certificate: `rung worker drain {0}` sends it away"
    )]
    Own(WorkerId),
    /// What was taken away will be back after the coordinator's end.
    #[error(
        "what was revoked is shut out until this coordinator ends, but that could not be stored ({0}): make room in the state \
         folder, and revoke it once more"
    )]
    NotStored(io::Error),
    /// The folder cannot be written.
    #[error("the state folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}
