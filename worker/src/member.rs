//! How this worker is known by its coordinator: by the file that a coordinator of its own user has published, by a
//! certificate of the cluster's authority, or by one of its operator's own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::ids::WorkerId;
use proto::v1::{CertificateRequest, access_service_client::AccessServiceClient};
use tonic::{Code, Status};
use tracing::info;
use trust::{
    Bearer, Dial, Identities, Identity, IdentityError, Link, Pin, Place, Published, Request, Role, Subject,
    Token, Trust,
};

use crate::{error::WorkerError, host, session::BLIND_SPOT, settings::Settings};

/// Longest time to open a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// This worker's membership of a cluster.
#[derive(Debug)]
pub(crate) struct Member {
    address: String,
    worker: WorkerId,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// As the coordinator's own user: what it has published is read for each connection, since it changes with each start.
    Published(std::path::PathBuf),
    /// By certificates of the operator's own.
    Own(Dial),
    /// By a certificate of the cluster's authority; the token is good for a first one.
    ///
    /// `spare` while the token may still be tried in place of a certificate that was not accepted: once, so that whatever
    /// is wrong does not use it up.
    /// `asked` is the request that a token was last shown with: asked again with it, a coordinator whose answer was lost counts no
    /// further use of the token.
    Certified {
        place: Place,
        pin: Pin,
        token: Option<Token>,
        spare: bool,
        renewal: Renewal,
        asked: Option<Box<Request>>,
        /// When this process was given its certificate; none where it was kept by an earlier one.
        given: Option<Instant>,
    },
}

/// What is done about a certificate that is not accepted although, by this machine's date, it has not ended. By the
/// coordinator's it may have: then it is still good for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    /// It may be renewed before it is used again.
    Possible,
    /// It is renewed before it is used again.
    Due,
    /// That was tried, and nothing has been accepted since.
    Tried,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Unjoined {
    /// Another try may go better.
    Broken(String),
    /// Trying again is of no use.
    Refused(String),
}

impl Member {
    /// Finds out how to be known, and who this worker is. Nothing is sent yet.
    pub(crate) fn open(settings: &Settings) -> Result<Self, WorkerError> {
        let address = settings.join.to_string();
        if !settings.pki.is_empty() {
            return Self::own(settings, address);
        }
        let id = settings.id.as_ref();
        let identities = Identities::new(settings.identity.clone());
        if let Some(token) = &settings.token {
            let pin = checked(token)?;
            let place = match identities.find((&address, Some(pin)), id)? {
                Some(place) => place,
                None => identities.reserve(&id.cloned().unwrap_or_else(host::worker_id), pin)?,
            };
            let token = Some(token.clone());
            return Ok(Self {
                address,
                worker: place.worker().clone(),
                way: Way::Certified {
                    place,
                    pin,
                    token,
                    spare: true,
                    renewal: Renewal::Possible,
                    asked: None,
                    given: None,
                },
            });
        }
        let published =
            || Published::of_folder(&settings.state).is_some_and(|there| there.answers_at(&address));
        if !published()
            && let Some(place) = identities.find((&address, None), id)?
            && let Some(pin) = place.identity.as_ref().map(|identity| identity.pin)
        {
            let worker = place.worker().clone();
            return Ok(Self {
                address,
                worker,
                way: Way::Certified {
                    place,
                    pin,
                    token: None,
                    spare: false,
                    renewal: Renewal::Possible,
                    asked: None,
                    given: None,
                },
            });
        }
        let worker = id.cloned().unwrap_or_else(host::worker_id);
        if !published() && Dial::plain(&address, Bearer::default()).is_exposed() {
            return Err(WorkerError::Access(format!(
                "joining {address} needs a token: `rung token create` on the coordinator's machine prints the whole line"
            )));
        }
        Ok(Self { address, worker, way: Way::Published(settings.state.clone()) })
    }

    fn own(settings: &Settings, address: String) -> Result<Self, WorkerError> {
        let bad = |error: trust::TlsError| WorkerError::Access(error.to_string());
        let missing =
            |flags| WorkerError::Access(format!("a worker with certificates of one's own needs {flags} too"));
        let authority = settings.pki.authority().map_err(bad)?.ok_or_else(|| missing("--tls-ca"))?;
        let chain = settings.pki.chain().map_err(bad)?.ok_or_else(|| missing("--tls-cert and --tls-key"))?;
        let subject = chain.0.first().map(|leaf| Subject::of_certificate(leaf));
        let subject = match subject {
            Some(Ok(subject)) if subject.role == Role::Worker => subject,
            Some(Ok(subject)) => {
                return Err(WorkerError::Access(format!(
                    "the certificate's role is {}, not worker",
                    subject.role
                )));
            }
            Some(Err(error)) => return Err(WorkerError::Access(error.to_string())),
            None => return Err(missing("--tls-cert")),
        };
        if let Some(id) = settings.id.as_ref().filter(|id| **id != subject.name) {
            return Err(WorkerError::Access(format!(
                "the certificate is for worker {}, not {id}",
                subject.name
            )));
        }
        let dial =
            Dial::tls(&address, &Trust::Roots(authority), Some(chain), Bearer::default()).map_err(bad)?;
        Ok(Self { address, worker: subject.name, way: Way::Own(dial) })
    }

    /// Who this worker is.
    pub(crate) fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// Where its coordinator is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection as who it is; gets a certificate first, where one is needed.
    pub(crate) async fn connect(&mut self) -> Result<Link, Unjoined> {
        let dial = match &self.way {
            Way::Own(dial) => dial.clone(),
            Way::Published(state) => {
                let published = Published::of_folder(state).filter(|there| there.answers_at(&self.address));
                let bearer = Bearer::new(published.as_ref().and_then(|there| there.token.as_ref()));
                let bearer = bearer.of_worker(&self.worker);
                match published.and_then(|there| there.pin) {
                    Some(pin) => {
                        Dial::tls(&self.address, &Trust::Pinned(pin), None, bearer).map_err(refused)?
                    }
                    None => Dial::plain(&self.address, bearer),
                }
            }
            Way::Certified { place, token, renewal, given, .. } => {
                match (&place.identity, token) {
                    (Some(identity), _) if !is_over(identity, *given) && *renewal != Renewal::Due => {}
                    (Some(_), _) => self.renew_late().await?,
                    (None, Some(token)) => self.join(&token.clone()).await?,
                    (None, None) => return Err(Unjoined::Refused("its certificate is gone".to_owned())),
                }
                self.certified()?
            }
        };
        open(&dial).await
    }

    /// Whether something else may still let this worker in after its certificate was not accepted: a new certificate, or
    /// a token that it was started with.
    pub(crate) fn has_another_way(&mut self) -> bool {
        match &mut self.way {
            Way::Certified { place, renewal, .. }
                if *renewal == Renewal::Possible && place.identity.is_some() =>
            {
                *renewal = Renewal::Due;
                true
            }
            Way::Certified { place, token: Some(_), spare, .. } if *spare => {
                *spare = false;
                place.identity.take().is_some()
            }
            _ => false,
        }
    }

    /// Notes that its certificate was accepted.
    pub(crate) fn accepted(&mut self) {
        if let Way::Certified { renewal, .. } = &mut self.way {
            *renewal = Renewal::Possible;
        }
    }

    /// Whether being unknown to the coordinator is final: a certificate does not get better by waiting, while what a
    /// coordinator publishes changes when it is started again.
    pub(crate) fn is_certified(&self) -> bool {
        !matches!(self.way, Way::Published(_))
    }

    /// How long until half of the certificate's life is over; none where there is none to renew.
    pub(crate) fn renewal_in(&self) -> Option<Duration> {
        let Way::Certified { place: Place { identity: Some(identity), .. }, given, .. } = &self.way else {
            return None;
        };
        let (begun, life) = life(identity);
        // Where this machine's date is wrong, a certificate that it was just given is none the older.
        Some(match given {
            Some(given) => (life / 2).saturating_sub(given.elapsed()),
            None => (begun + life / 2).saturating_sub(now()),
        })
    }

    /// Gets the next certificate, over a connection that was made with this one.
    pub(crate) async fn renew(&mut self, link: Link) -> Result<(), Status> {
        let Way::Certified { place, pin, given, .. } = &mut self.way else { return Ok(()) };
        let broken = |error: IdentityError| Status::internal(error.to_string());
        let request = Request::new(self.worker.clone()).map_err(broken)?;
        let wire = CertificateRequest { worker: self.worker.to_string(), csr: request.csr.clone().into() };
        let reply = AccessServiceClient::new(link).renew(limited(wire)).await?.into_inner();
        let identity = request.answered(&self.address, *pin, reply.certificate.to_vec()).map_err(broken)?;
        place.keep(identity).map_err(broken)?;
        *given = Some(Instant::now());
        info!(worker = %self.worker, "certificate renewed");
        Ok(())
    }

    /// Renews a certificate that has ended while this worker was away, by its own date or by the coordinator's.
    async fn renew_late(&mut self) -> Result<(), Unjoined> {
        if let Way::Certified { renewal, .. } = &mut self.way {
            *renewal = Renewal::Tried;
        }
        let link = open(&self.certified()?).await?;
        match self.renew(link).await {
            Ok(()) => Ok(()),
            Err(status) if is_refusal(&status) && self.has_another_way() => {
                let Way::Certified { token: Some(token), .. } = &self.way else {
                    return Err(unjoined(&status));
                };
                self.join(&token.clone()).await
            }
            Err(status) => Err(unjoined(&status)),
        }
    }

    /// Exchanges the token for a certificate.
    async fn join(&mut self, token: &Token) -> Result<(), Unjoined> {
        let Way::Certified { place, pin, asked, given, .. } = &mut self.way else { return Ok(()) };
        let dial = Dial::tls(&self.address, &Trust::Pinned(*pin), None, Bearer::new(Some(token)))
            .map_err(refused)?;
        let request = match asked.take() {
            Some(request) => request,
            None => Box::new(Request::new(self.worker.clone()).map_err(refused)?),
        };
        let wire = CertificateRequest { worker: self.worker.to_string(), csr: request.csr.clone().into() };
        let request = asked.insert(request);
        let reply = AccessServiceClient::new(open(&dial).await?).join(limited(wire)).await;
        let certificate = reply.map_err(|status| unjoined(&status))?.into_inner().certificate;
        let identity = request.answered(&self.address, *pin, certificate.to_vec()).map_err(refused)?;
        place.keep(identity).map_err(refused)?;
        (*asked, *given) = (None, Some(Instant::now()));
        info!(worker = %self.worker, coordinator = self.address, "joined the cluster, and keeps a certificate");
        Ok(())
    }

    fn certified(&self) -> Result<Dial, Unjoined> {
        let Way::Certified { place: Place { identity, .. }, pin, .. } = &self.way else {
            return Err(Unjoined::Refused("it has no certificate".to_owned()));
        };
        let chain = identity.as_ref().map(Identity::chain);
        Dial::tls(&self.address, &Trust::Pinned(*pin), chain, Bearer::default()).map_err(refused)
    }
}

/// The pin of a token that a worker can join by.
fn checked(token: &Token) -> Result<Pin, WorkerError> {
    if token.role != Role::Worker {
        let role = token.role;
        return Err(WorkerError::Access(format!(
            "the token is a person's, for the role {role}: `rung token create` makes one for a worker"
        )));
    }
    token
        .pin
        .ok_or_else(|| WorkerError::Access("the token does not say which coordinator it is for".to_owned()))
}

async fn open(dial: &Dial) -> Result<Link, Unjoined> {
    let link = dial.connect(CONNECT, |endpoint| {
        endpoint
            .http2_keep_alive_interval(BLIND_SPOT / 3)
            .keep_alive_timeout(BLIND_SPOT / 3 * 2)
            .keep_alive_while_idle(true)
    });
    link.await.map_err(|error| Unjoined::Broken(error.to_string()))
}

fn limited<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(Duration::from_secs(30));
    request
}

fn is_refusal(status: &Status) -> bool {
    let code = status.code();
    matches!(
        code,
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::FailedPrecondition
    )
}

fn unjoined(status: &Status) -> Unjoined {
    let reason = status.message().to_owned();
    if is_refusal(status) { Unjoined::Refused(reason) } else { Unjoined::Broken(reason) }
}

fn refused(error: impl ToString) -> Unjoined {
    Unjoined::Refused(error.to_string())
}

/// The date at which a certificate begins to hold, and for how long it does.
fn life(identity: &Identity) -> (Duration, Duration) {
    let (from, until) = identity.validity();
    (Duration::from_secs(from), Duration::from_secs(until.saturating_sub(from)))
}

/// Whether a certificate has ended: by this machine's date where an earlier process was given it, which may be wrong, as the
/// coordinator's answer then tells; by how long ago this one was.
fn is_over(identity: &Identity, given: Option<Instant>) -> bool {
    let (begun, life) = life(identity);
    given.map_or_else(|| now() >= begun + life, |given| given.elapsed() >= life)
}

/// The date, which certificates are about.
#[allow(clippy::disallowed_methods, reason = "a certificate's end is a date")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
