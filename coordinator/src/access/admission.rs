//! Who makes a call, and whether the policy lets it.

use std::{sync::Arc, time::Duration};

use common::time::Timestamp;
use tonic::{Status, codegen::http};
use trust::{Role, Subject, Token};

use super::{
    Access, Caller, TokenState,
    caller::Credential,
    gate::Gate,
    judge::Presented,
    limits, lock,
    policy::{self, Needs, Rule},
};
use crate::clock::date;

/// How long after its end a worker's certificate is still good for a new one.
const LATE: Duration = Duration::from_secs(30 * 24 * 3600);

impl Access {
    /// Whether the policy lets whoever makes a call make it, and who that is. A refusal is in the audit log.
    pub(crate) fn admit(
        &self,
        gate: &Arc<Gate>,
        path: &str,
        headers: &http::HeaderMap,
    ) -> Result<(&'static Rule, Caller), Status> {
        let now = date();
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
                && let Some(credential) = credential.or_else(|| own_worker(&caller, headers))
            {
                if !self.attach(credential, gate) {
                    gate.close();
                    return Err(Status::resource_exhausted(format!(
                        "{} connections are open by this token or certificate: no more at a time",
                        limits::PER_CREDENTIAL
                    )));
                }
                // A revocation closes what is attached: one that has come since the caller was judged, too.
                if let Err(reason) = self.caller(gate, headers, now) {
                    gate.close();
                    return Err(Status::unauthenticated(reason));
                }
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
        let pages = self.book.pages();
        let Some(stored) = pages.token(&token.secret) else {
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
            // It lets nobody in, but for a worker that joined by it and never got the answer.
            TokenState::UsedUp => Ok((Caller::Joiner(id), Some(limits::PROOF))),
            TokenState::Revoked => Err(format!("token {id} was revoked")),
        }
    }

    fn certified(&self, subject: &Subject, now: Timestamp) -> Result<(Caller, Option<Duration>), String> {
        let name = &subject.name;
        if let Some(revoked) = self.book.pages().revoked(name)
            && subject.not_before * 1000 <= revoked.0
        {
            let again = self.another_certificate();
            return Err(format!("the certificate of {name} was revoked: {again}"));
        }
        let (end, now) = (Duration::from_secs(subject.not_after), Duration::from_millis(now.0));
        let subject = subject.clone();
        match end.checked_sub(now).filter(|left| !left.is_zero()) {
            Some(left) => Ok((Caller::Certified { subject, ended: false }, Some(left))),
            None if self.authority.is_some() && subject.role == Role::Worker && now - end < LATE => {
                Ok((Caller::Certified { subject, ended: true }, Some(limits::PROOF)))
            }
            None if self.authority.is_some() => Err(format!(
                "the certificate of {name} ended more than {} days ago: {}",
                LATE.as_secs() / 86_400,
                self.another_certificate()
            )),
            None => Err(format!("the certificate of {name} has ended: {}", self.another_certificate())),
        }
    }

    /// How a worker or a person comes by another certificate.
    fn another_certificate(&self) -> &'static str {
        match self.authority {
            Some(_) => "`rung token create` lets it join again",
            None => "one that your own authority signs from now on lets it in again",
        }
    }

    /// Notes that a connection is open by a credential; false where too many are.
    fn attach(&self, credential: Credential, gate: &Arc<Gate>) -> bool {
        let mut open = lock(&self.open);
        open.retain(|_, gates| {
            gates.retain(|gate| gate.strong_count() > 0);
            !gates.is_empty()
        });
        let gates = open.entry(credential).or_default();
        let room = gates.len() < limits::PER_CREDENTIAL;
        if room {
            gates.push(Arc::downgrade(gate));
        }
        room
    }
}

/// What the connection of a worker of the coordinator's own user is found by, where it is one.
fn own_worker(caller: &Caller, headers: &http::HeaderMap) -> Option<Credential> {
    let name = headers.get(trust::WORKER_HEADER).filter(|_| *caller == Caller::Local)?;
    name.to_str().ok()?.parse().ok().map(Credential::Own)
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
            Status::permission_denied(format!(
                "this needs the role {least}, and {caller} has the role {role}"
            ))
        }
        (Some(_), caller) => Status::permission_denied(format!("this is not for {caller}")),
    }
}
