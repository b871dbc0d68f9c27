//! What lets nobody in, and is said so within five seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::v1::{
    CertificateRequest, ListStudiesRequest, WhoAmIRequest, WorkerRef,
    access_service_client::AccessServiceClient, study_service_client::StudyServiceClient,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    codegen::http::{HeaderMap, header::AUTHORIZATION},
};
use trust::{Bearer, Dial, Identity, Request, Role, Secret, Token, Trust};

use super::{Coordinator, SOON, open};
use crate::{
    access::{NewToken, gate::Gate, judge::Presented, limits, seats::Seats},
    settings::ServeSettings,
};

async fn who_am_i(dial: &Dial) -> Result<String, Status> {
    let reply = AccessServiceClient::new(open(dial).await).who_am_i(WhoAmIRequest {}).await?;
    Ok(reply.into_inner().role)
}

/// A refusal with this code, that says this, in time.
async fn refused<T: std::fmt::Debug>(
    asked: impl Future<Output = Result<T, Status>>,
    (code, says): (Code, &str),
) {
    let started = Instant::now();
    let status = asked.await.unwrap_err();
    assert!(started.elapsed() < SOON);
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(says), "{status:?} does not say {says}");
}

#[tokio::test]
async fn one_token_does_not_take_all_connections() {
    let coordinator = Coordinator::start().await;
    let (token, _) = coordinator.token(Role::Viewer, 0);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", token.reveal()).parse().unwrap());
    let connect = || {
        let close = CancellationToken::new();
        let seat = Seats::default().take([127, 0, 0, 1].into(), &close).unwrap();
        let peer = ([127, 0, 0, 1], 5).into();
        Gate::new((peer, Presented::Nothing), close, seat, tokio::time::Instant::now())
    };
    let admit = |gate: &Arc<Gate>| {
        coordinator.access.admit(gate, "/rung.v1.StudyService/ListStudies", &headers).map(drop)
    };
    let mut gates: Vec<_> = (0..limits::PER_CREDENTIAL).map(|_| connect()).collect();
    assert!(gates.iter().all(|gate| admit(gate).is_ok()));
    assert!(admit(&gates[0]).is_ok(), "another call on one of them");
    let more = connect();
    assert_eq!(admit(&more).unwrap_err().code(), Code::ResourceExhausted);
    assert!(!more.is_open());
    gates.pop();
    assert!(admit(&connect()).is_ok());
    coordinator.stop().await;
}

#[tokio::test]
async fn tokens_that_are_worth_nothing_are_refused_with_the_reason() {
    let coordinator = Coordinator::start().await;
    let foreign = Token { role: Role::Admin, secret: Secret::draw(), pin: None };
    refused(who_am_i(&coordinator.dial(Some(&foreign), None)), (Code::Unauthenticated, "not known here"))
        .await;

    let short = NewToken { role: Role::Viewer, name: String::new(), life: Duration::from_millis(1), uses: 0 };
    let (expired, _) = coordinator.access.create_token(short).unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    refused(who_am_i(&coordinator.dial(Some(&expired), None)), (Code::Unauthenticated, "has expired")).await;

    let (once, _) = coordinator.token(Role::Worker, 1);
    coordinator.join(&once, "node-1").await.unwrap();
    refused(coordinator.join(&once, "node-2"), (Code::Unauthenticated, "used up")).await;

    let (viewer, stored) = coordinator.token(Role::Viewer, 0);
    refused(coordinator.join(&viewer, "node-1"), (Code::PermissionDenied, "this is not for token")).await;
    assert_eq!(who_am_i(&coordinator.dial(Some(&viewer), None)).await.unwrap(), "viewer");
    coordinator.access.revoke_token(&stored.id.to_string()).unwrap();
    refused(who_am_i(&coordinator.dial(Some(&viewer), None)), (Code::Unauthenticated, "was revoked")).await;

    let (worker, _) = coordinator.token(Role::Worker, 9);
    refused(who_am_i(&coordinator.dial(Some(&worker), None)), (Code::PermissionDenied, "rung-worker --join"))
        .await;
    coordinator.stop().await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_costs_no_use_of_a_token() {
    let coordinator = Coordinator::start().await;
    let (once, _) = coordinator.token(Role::Worker, 1);
    let good = Request::new("node-1".parse().unwrap()).unwrap().csr;
    for (worker, csr) in [("node-1", b"nonsense".to_vec()), ("Node 1", good.clone()), ("../x", good.clone())]
    {
        let mut client = AccessServiceClient::new(open(&coordinator.dial(Some(&once), None)).await);
        let request = CertificateRequest { worker: worker.to_owned(), csr: csr.into() };
        refused(client.join(request), (Code::InvalidArgument, "")).await;
    }
    // A request that somebody changed on its way: the signature is of another key's holder.
    let mut changed = good;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let mut client = AccessServiceClient::new(open(&coordinator.dial(Some(&once), None)).await);
    let request = CertificateRequest { worker: "node-1".to_owned(), csr: changed.into() };
    refused(client.join(request), (Code::InvalidArgument, "")).await;
    coordinator.join(&once, "node-1").await.unwrap();
    coordinator.stop().await;
}

#[tokio::test]
async fn another_authoritys_certificate_is_refused_by_both_sides() {
    let (here, there) = (Coordinator::start().await, Coordinator::start().await);
    let foreign = there.worker("node-1").await;
    let dial = here.dial(None, Some(&foreign));
    refused(who_am_i(&dial), (Code::Unauthenticated, "another cluster's authority")).await;

    // Somebody else answers where the coordinator was.
    let trust = Trust::Pinned(there.pin());
    let dial = Dial::tls(here.address(), &trust, None, Bearer::default()).unwrap();
    let error = dial.connect(SOON, |endpoint| endpoint).await.unwrap_err();
    assert!(error.to_string().contains("not the coordinator that the token is for"), "{error}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn a_workers_certificate_is_no_servers() {
    let coordinator = Coordinator::start().await;
    let identity = coordinator.worker("node-1").await;
    let (chain, key) = identity.chain();
    let authority = coordinator.state().join("access/ca.pem");
    let mut chain = chain;
    chain.extend(trust::pem_certificates(&authority).unwrap());
    let config = rustls::ServerConfig::builder_with_provider(trust::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        acceptor.accept(socket).await.is_err()
    });
    let dial = Dial::tls(&address, &Trust::Pinned(coordinator.pin()), None, Bearer::default()).unwrap();
    let error = dial.connect(SOON, |endpoint| endpoint).await.unwrap_err();
    assert!(error.to_string().contains("not accepted"), "{error}");
    assert!(server.await.unwrap());
    coordinator.stop().await;
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_good_for_a_new_one_alone() {
    let life = Duration::from_secs(1);
    let coordinator =
        Coordinator::with(|settings| ServeSettings { certificate_life: life, ..settings }).await;
    let identity = coordinator.worker("node-1").await;
    tokio::time::sleep(life * 2).await;
    let dial = coordinator.dial(None, Some(&identity));
    refused(who_am_i(&dial), (Code::Unauthenticated, "good for a new one")).await;
    let renewed = renew(&coordinator, &identity, "node-1").await.unwrap();
    assert!(renewed.validity().1 > identity.validity().1);
    let theirs = renew(&coordinator, &renewed, "node-2").await.unwrap_err();
    assert_eq!(theirs.code(), Code::PermissionDenied, "{theirs:?}");
    coordinator.stop().await;
}

async fn renew(coordinator: &Coordinator, identity: &Identity, worker: &str) -> Result<Identity, Status> {
    let request = Request::new(worker.parse().unwrap()).unwrap();
    let wire = CertificateRequest { worker: worker.to_owned(), csr: request.csr.clone().into() };
    let link = open(&coordinator.dial(None, Some(identity))).await;
    let reply = AccessServiceClient::new(link).renew(wire).await?.into_inner();
    Ok(request.answered(coordinator.address(), coordinator.pin(), reply.certificate.to_vec()).unwrap())
}

#[tokio::test]
async fn what_is_open_closes_when_its_access_is_revoked() {
    let coordinator = Coordinator::start().await;
    let identity = coordinator.worker("node-1").await;
    let (viewer, stored) = coordinator.token(Role::Viewer, 0);
    let worker_dial = coordinator.dial(None, Some(&identity));
    let mut worker = AccessServiceClient::new(open(&worker_dial).await);
    let mut person = StudyServiceClient::new(open(&coordinator.dial(Some(&viewer), None)).await);
    worker.who_am_i(WhoAmIRequest {}).await.unwrap();
    person.list_studies(ListStudiesRequest {}).await.unwrap();

    coordinator.access.revoke_worker(&identity.worker).unwrap();
    coordinator.access.revoke_token(&stored.id.to_string()).unwrap();
    // What was open is closed; whoever comes again is told why.
    worker.who_am_i(WhoAmIRequest {}).await.unwrap_err();
    person.list_studies(ListStudiesRequest {}).await.unwrap_err();
    let person = coordinator.dial(Some(&viewer), None);
    refused(who_am_i(&person), (Code::Unauthenticated, "was revoked")).await;
    refused(who_am_i(&worker_dial), (Code::Unauthenticated, "was revoked")).await;
    assert_eq!(renew(&coordinator, &identity, "node-1").await.unwrap_err().code(), Code::Unauthenticated);

    // A new token brings it back, in the same second too.
    let back = coordinator.worker("node-1").await;
    assert_eq!(who_am_i(&coordinator.dial(None, Some(&back))).await.unwrap(), "worker");
    coordinator.stop().await;
}

#[tokio::test]
async fn a_revoked_worker_does_not_come_back_by_the_token_that_it_has() {
    let coordinator = Coordinator::start().await;
    let (many, _) = coordinator.token(Role::Worker, 16);
    let identity = coordinator.join(&many, "node-1").await.unwrap();
    coordinator.join(&many, "node-2").await.unwrap();
    coordinator.access.revoke_worker(&identity.worker).unwrap();
    for name in ["node-1", "node-3"] {
        refused(coordinator.join(&many, name), (Code::Unauthenticated, "was revoked")).await;
    }
    coordinator.stop().await;
}

#[tokio::test]
async fn a_revoked_worker_comes_back_by_a_later_token_alone() {
    let coordinator = Coordinator::start().await;
    let (older, _) = coordinator.token(Role::Worker, 16);
    let identity = coordinator.worker("node-1").await;
    // Dates count milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert!(coordinator.access.revoke_worker(&identity.worker).unwrap(), "it has joined by a token");
    refused(coordinator.join(&older, "node-1"), (Code::Unauthenticated, "was revoked after token")).await;
    coordinator.join(&older, "node-2").await.unwrap();
    coordinator.worker("node-1").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn a_token_joins_under_a_name_that_is_free() {
    let coordinator = Coordinator::start().await;
    let (many, _) = coordinator.token(Role::Worker, 16);
    let identity = coordinator.join(&many, "node-1").await.unwrap();
    let dial = coordinator.dial(None, Some(&identity));
    let mut connected = AccessServiceClient::new(open(&dial).await);
    connected.who_am_i(WhoAmIRequest {}).await.unwrap();
    refused(coordinator.join(&many, "node-1"), (Code::Aborted, "node-1 is connected")).await;
    assert_eq!(coordinator.access.tokens()[0].0.uses_left, 15, "a refusal costs no use");

    // Its own certificate lets it in beside what is still open of it, as after a loss of power.
    assert_eq!(who_am_i(&dial).await.unwrap(), "worker");
    renew(&coordinator, &identity, "node-1").await.unwrap();
    drop(connected);
    let started = Instant::now();
    while let Err(status) = coordinator.join(&many, "node-1").await {
        assert!(status.code() == Code::Aborted && started.elapsed() < SOON, "{status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    coordinator.stop().await;
}

#[tokio::test]
async fn a_revocation_tells_whether_anybody_was_shut_out() {
    let coordinator = Coordinator::start().await;
    let revoke = async |worker: &str| {
        let mut client = AccessServiceClient::new(coordinator.local().await);
        let reply = client.revoke_worker(WorkerRef { worker: worker.to_owned() }).await?;
        Ok::<_, Status>(reply.into_inner().known)
    };
    assert!(!revoke("node-1").await.unwrap());
    coordinator.worker("node-2").await;
    assert!(revoke("node-2").await.unwrap());
    // A worker of the coordinator's own user has nothing that could be taken away.
    let worker = "node-3".parse().unwrap();
    let bearer = Bearer::new(coordinator.published.token.as_ref()).of_worker(&worker);
    let own = open(&Dial::plain(coordinator.address(), bearer)).await;
    AccessServiceClient::new(own.clone()).who_am_i(WhoAmIRequest {}).await.unwrap();
    refused(revoke("node-3"), (Code::FailedPrecondition, "rung worker drain node-3")).await;
    drop(own);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_keeps_nobody_in() {
    let coordinator = Coordinator::start().await;
    let identity = coordinator.worker("node-1").await;
    let dial = coordinator.dial(None, Some(&identity));
    assert_eq!(who_am_i(&dial).await.unwrap(), "worker");
    // Nothing can be put in the place of a folder.
    let book = coordinator.state().join("access/book.json");
    std::fs::remove_file(&book).unwrap();
    std::fs::create_dir(&book).unwrap();
    let mut admin = AccessServiceClient::new(coordinator.local().await);
    let asked = admin.revoke_worker(WorkerRef { worker: "node-1".to_owned() });
    refused(asked, (Code::Internal, "until this coordinator ends")).await;
    refused(who_am_i(&dial), (Code::Unauthenticated, "was revoked")).await;
    coordinator.stop().await;
}
