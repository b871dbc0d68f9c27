//! Who may do what, through the coordinator.

use std::time::Duration;

use common::ids::WorkerId;
use proto::v1 as pb;
use trust::Role;

use super::{super::ClientError, Remote, call};

impl Remote {
    /// Who the coordinator takes the caller for.
    pub async fn who_am_i(&self) -> Result<pb::Caller, ClientError> {
        self.answer(self.access.clone().who_am_i(call(pb::WhoAmIRequest {})).await)
    }

    /// Makes a token for a role, by which so many workers may join.
    pub async fn create_token(
        &self,
        role: Role,
        name: &str,
        (life, uses): (Duration, u32),
    ) -> Result<pb::CreateTokenReply, ClientError> {
        let (role, name) = (role.to_string(), name.to_owned());
        let request = pb::CreateTokenRequest { role, name, seconds: life.as_secs(), uses };
        self.answer(self.access.clone().create_token(call(request)).await)
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<pb::TokenInfo>, ClientError> {
        let reply = self.answer(self.access.clone().list_tokens(call(pb::ListTokensRequest {})).await)?;
        Ok(reply.tokens)
    }

    /// Takes a token's access away.
    pub async fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        let request = pb::TokenRef { id: id.to_owned() };
        self.answer(self.access.clone().revoke_token(call(request)).await).map(drop)
    }

    /// Takes a worker's certificates away; tells whether a worker of that name is known.
    pub async fn revoke_worker(&self, worker: &WorkerId) -> Result<bool, ClientError> {
        let request = pb::WorkerRef { worker: worker.to_string() };
        Ok(self.answer(self.access.clone().revoke_worker(call(request)).await)?.known)
    }

    /// The newest entries of the audit log, oldest first.
    pub async fn audit(&self, last: u32) -> Result<Vec<pb::AuditEntry>, ClientError> {
        let reply = self.answer(self.access.clone().read_audit(call(pb::ReadAuditRequest { last })).await)?;
        Ok(reply.entries)
    }
}
