//! Giving access and taking it away.

use std::{io, sync::Weak, time::Duration};

use common::ids::WorkerId;
use trust::{Role, Token};

use super::{
    Access, Entry, NewToken, StoredToken, TokenId, TokenState, authority::Authority, caller::Credential, lock,
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
        Ok(self.book().create(wanted, self.pin(), date())?)
    }

    /// All tokens, oldest first, and whether they let in.
    pub fn tokens(&self) -> Vec<(StoredToken, TokenState)> {
        let now = date();
        self.book().tokens().iter().map(|token| (token.clone(), token.state(now))).collect()
    }

    /// Takes a token's access away and closes what is open by it.
    pub fn revoke_token(&self, id: &str) -> Result<(), GrantError> {
        let id = self.book().revoke_token(id)?.ok_or_else(|| GrantError::UnknownToken(id.to_owned()))?;
        self.detach(&Credential::Token(id));
        Ok(())
    }

    /// Takes the certificates of a worker away, and the tokens by which it joined, and closes what is open by them.
    pub fn revoke_worker(&self, worker: &WorkerId) -> Result<(), GrantError> {
        let tokens = self.book().revoke_certificates(worker, date())?;
        tokens.into_iter().for_each(|token| self.detach(&Credential::Token(token)));
        self.detach(&Credential::Certificate(worker.clone()));
        Ok(())
    }

    /// A worker's first certificate, in exchange for one use of its token.
    pub fn join(&self, token: &TokenId, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        let authority = self.authority.as_ref().ok_or(GrantError::NoAuthority)?;
        // Signed first, so that a request that makes no sense costs no use of the token.
        let certificate = self.sign(authority, worker, csr)?;
        match self.book().spend(token, worker, date())? {
            true => Ok(certificate),
            false => Err(GrantError::Spent(token.clone())),
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
        let revoked = self.book().revoked(worker).map_or(0, |at| (at.0 / 1000 + 1) * 1000);
        Duration::from_millis(revoked.saturating_sub(now.0))
    }

    fn sign(&self, authority: &Authority, worker: &WorkerId, csr: &[u8]) -> Result<Vec<u8>, GrantError> {
        let now = date();
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
    /// The token's last use was taken a moment ago.
    #[error("token {0} is used up: `rung token create` makes another")]
    Spent(TokenId),
    /// The folder cannot be written.
    #[error("the state folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}
