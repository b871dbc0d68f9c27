//! Certificates for workers, and tokens for everybody.

use std::{sync::Arc, time::Duration};

use common::{ids::WorkerId, time::Timestamp};
use proto::{
    Malformed,
    v1::{self as pb, access_service_server::AccessService},
};
use tonic::{Request, Response, Status};
use trust::Role;

use super::status;
use crate::access::{About, Access, Caller, Entry, GrantError, NewToken, StoredToken, TokenState};

/// Most entries of the audit log in one answer.
const MOST_ENTRIES: u32 = 10_000;

/// The access service.
#[derive(Debug, Clone)]
pub struct AccessServer {
    access: Arc<Access>,
}

impl AccessServer {
    /// Longest life of a token; the shortest is a second.
    pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);

    /// Most workers that may join by one token.
    pub(crate) const MOST_USES: u32 = 10_000;

    /// A service that gives and takes this access.
    pub fn new(access: Arc<Access>) -> Self {
        Self { access }
    }

    /// Does what waits for the disk on a blocking thread.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Access) -> Result<T, GrantError> + Send + 'static,
    ) -> Result<T, Status> {
        let access = Arc::clone(&self.access);
        let done = tokio::task::spawn_blocking(move || act(&access)).await;
        done.map_err(|_| Status::internal("giving access panicked"))?
            .map_err(|error| status::not_granted(&error))
    }
}

#[tonic::async_trait]
impl AccessService for AccessServer {
    async fn join(
        &self,
        request: Request<pb::CertificateRequest>,
    ) -> Result<Response<pb::CertificateReply>, Status> {
        let Some(Caller::Joiner(token)) = request.extensions().get::<Caller>().cloned() else {
            return Err(Status::permission_denied("a worker joins by a token that is a worker's"));
        };
        About::note(request.extensions(), &request.get_ref().worker);
        let pb::CertificateRequest { worker, csr } = request.into_inner();
        let worker = worker_id(&worker)?;
        let wait = self.access.until_valid(&worker);
        let certificate = self.blocking(move |access| access.join(&token, &worker, &csr)).await?;
        tokio::time::sleep(wait).await;
        Ok(Response::new(pb::CertificateReply { certificate: certificate.into() }))
    }

    async fn renew(
        &self,
        request: Request<pb::CertificateRequest>,
    ) -> Result<Response<pb::CertificateReply>, Status> {
        let proven = request.extensions().get::<Caller>().and_then(Caller::worker).cloned();
        let Some(proven) = proven else {
            return Err(Status::permission_denied("a certificate is renewed by the worker that has it"));
        };
        let pb::CertificateRequest { worker, csr } = request.into_inner();
        if worker_id(&worker)? != proven {
            return Err(Status::permission_denied(format!("the certificate is {proven}'s, not {worker}'s")));
        }
        let certificate = self.blocking(move |access| access.renew(&proven, &csr)).await?;
        Ok(Response::new(pb::CertificateReply { certificate: certificate.into() }))
    }

    async fn who_am_i(&self, request: Request<pb::WhoAmIRequest>) -> Result<Response<pb::Caller>, Status> {
        let caller = request.extensions().get::<Caller>().unwrap_or(&Caller::Anonymous);
        let role = caller.role().map_or_else(|| "none".to_owned(), |role| role.to_string());
        let advertised = self.access.advertised().to_owned();
        Ok(Response::new(pb::Caller { role, name: caller.to_string(), advertised }))
    }

    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenReply>, Status> {
        let (extensions, request) = split(request);
        let wanted = wanted(request)?;
        About::note(&extensions, format!("{} token", wanted.role));
        let (token, stored) = self.blocking(move |access| access.create_token(wanted)).await?;
        About::note(&extensions, format!("{} token {}", stored.role, stored.id));
        Ok(Response::new(pb::CreateTokenReply {
            token: token.reveal(),
            info: Some(info(&stored, TokenState::Valid)),
            advertised: self.access.advertised().to_owned(),
        }))
    }

    async fn list_tokens(
        &self,
        _request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensReply>, Status> {
        let tokens = self.access.tokens();
        let tokens = tokens.iter().map(|(token, state)| info(token, *state)).collect();
        Ok(Response::new(pb::ListTokensReply { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<pb::TokenRef>,
    ) -> Result<Response<pb::RevokeReply>, Status> {
        let (extensions, pb::TokenRef { id }) = split(request);
        About::note(&extensions, &id);
        self.blocking(move |access| access.revoke_token(&id)).await?;
        Ok(Response::new(pb::RevokeReply {}))
    }

    async fn revoke_worker(
        &self,
        request: Request<pb::WorkerRef>,
    ) -> Result<Response<pb::RevokeWorkerReply>, Status> {
        let (extensions, pb::WorkerRef { worker }) = split(request);
        About::note(&extensions, &worker);
        let worker = worker_id(&worker)?;
        let known = self.blocking(move |access| access.revoke_worker(&worker)).await?;
        Ok(Response::new(pb::RevokeWorkerReply { known }))
    }

    async fn read_audit(
        &self,
        request: Request<pb::ReadAuditRequest>,
    ) -> Result<Response<pb::ReadAuditReply>, Status> {
        let most = request.into_inner().last.min(MOST_ENTRIES) as usize;
        let entries = self.blocking(move |access| access.audit(most)).await?;
        Ok(Response::new(pb::ReadAuditReply { entries: entries.into_iter().map(entry).collect() }))
    }
}

fn split<T>(request: Request<T>) -> (tonic::Extensions, T) {
    let (_, extensions, message) = request.into_parts();
    (extensions, message)
}

fn worker_id(text: &str) -> Result<WorkerId, Status> {
    text.parse().map_err(|error| status::malformed(&Malformed::new("worker", error)))
}

fn wanted(request: pb::CreateTokenRequest) -> Result<NewToken, Status> {
    let malformed = |field, reason: String| status::malformed(&Malformed::new(field, reason));
    let role: Role =
        request.role.parse().map_err(|error: trust::UnknownRole| malformed("role", error.to_string()))?;
    if !request.name.is_empty() {
        request.name.parse::<WorkerId>().map_err(|_| {
            malformed("name", format!("`{}` is not valid: use 1 to 64 of a-z, 0-9 and -", request.name))
        })?;
    }
    let life = Duration::from_secs(request.seconds);
    if life.is_zero() || life > AccessServer::LONGEST_LIFE {
        return Err(malformed("seconds", "a token lets in for a second to 366 days".to_owned()));
    }
    if role == Role::Worker && !(1..=AccessServer::MOST_USES).contains(&request.uses) {
        let most = AccessServer::MOST_USES;
        return Err(malformed("uses", format!("1 to {most} workers may join by a token")));
    }
    let uses = if role == Role::Worker { request.uses } else { 0 };
    Ok(NewToken { role, name: request.name, life, uses })
}

fn info(token: &StoredToken, state: TokenState) -> pb::TokenInfo {
    let Timestamp(created_ms) = token.created;
    pb::TokenInfo {
        id: token.id.to_string(),
        role: token.role.to_string(),
        name: token.name.clone(),
        created_ms,
        expires_ms: token.expires.0,
        uses_left: token.uses_left,
        state: state.to_string(),
    }
}

fn entry(entry: Entry) -> pb::AuditEntry {
    let Entry { at, who, from, call, about, outcome } = entry;
    pb::AuditEntry { at_ms: at.0, who, from, call, about, outcome }
}
