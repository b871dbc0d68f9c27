//! Every call of every service, in every role.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::DESCRIPTORS;
use tonic::{Code, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;
use trust::{Link, Role};

use super::{Coordinator, open};
use crate::access::{Caller, policy::RULES};

/// Who may call what, written down apart from the policy: anonymous, joiner, viewer, operator, admin, worker, local.
const MAY: &[(&str, &str)] = &[
    (
        "vOalx",
        "ListStudies GetStudy WatchStudy ListTrials GetTrial ReadHistory GetBest ReadObject ListWorkers ListData ReadData \
         ListModels",
    ),
    ("Oalx", "SubmitStudy PauseStudy ResumeStudy StopStudy DrainWorker AddData AddModel"),
    ("alx", "DeleteStudy RemoveData RemoveModel CreateToken ListTokens RevokeToken RevokeWorker ReadAudit"),
    ("wlx", "Session PutObject GetObject GetData GetModel"),
    ("j", "Join"),
    ("w", "Renew"),
    ("vOawlx", "WhoAmI"),
    ("njvOawlx", "Check"),
    ("vOalx", "Watch ServerReflectionInfo"),
];

/// Services that come with libraries and are served beside Rung's own.
const LIBRARIES: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

fn served() -> Vec<String> {
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let services = files.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)));
    let paths = services
        // The trainer's protocol is spoken over a pipe, and has no service.
        .flat_map(|(file, service)| {
            let of = format!("/{}.{}", file.package(), service.name());
            service.method.iter().map(move |method| format!("{of}/{}", method.name()))
        });
    paths.chain(LIBRARIES.map(str::to_owned)).collect()
}

fn expected(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap();
    let found = MAY.iter().filter(|(_, names)| names.split(' ').any(|known| known == name));
    let found: Vec<_> = found.map(|(who, _)| *who).collect();
    assert_eq!(found.len(), 1, "{path} is not in this test's own table once");
    found[0]
}

#[test]
fn the_policy_has_every_call_once_and_no_other() {
    let mut rules: Vec<_> = RULES.iter().map(|rule| rule.path.to_owned()).collect();
    let mut served = served();
    rules.sort();
    served.sort();
    assert_eq!(rules, served);
}

#[tokio::test]
async fn every_call_is_allowed_to_the_roles_that_have_it_and_to_nobody_else() {
    let coordinator = Coordinator::start().await;
    let token = |role| coordinator.token(role, 1000).0;
    let joiner = token(Role::Worker);
    let identity = coordinator.worker("node-1").await;
    let mut callers: BTreeMap<char, Link> = BTreeMap::new();
    for (letter, token) in [
        ('n', None),
        ('j', Some(joiner)),
        ('v', Some(token(Role::Viewer))),
        ('O', Some(token(Role::Operator))),
        ('a', Some(token(Role::Admin))),
    ] {
        callers.insert(letter, open(&coordinator.dial(token.as_ref(), None)).await);
    }
    callers.insert('w', open(&coordinator.dial(None, Some(&identity))).await);
    callers.insert('l', coordinator.local().await);

    let paths = served();
    let mut checked = 0;
    for path in &paths {
        for (letter, link) in &callers {
            let status = call(link.clone(), path).await;
            let refused = is_refusal(&status);
            assert_eq!(!refused, expected(path).contains(*letter), "{letter} calls {path}: {status:?}");
            if refused && *letter == 'n' {
                assert_eq!(status.code(), Code::Unauthenticated, "{path}");
            }
            checked += 1;
        }
    }
    println!("{checked} calls: {} of services × {} callers", paths.len(), callers.len());
    assert!(paths.len() >= 34 && checked == paths.len() * 7);
    let status = call(callers[&'l'].clone(), "/rung.v1.StudyService/NoSuchCall").await;
    assert_eq!(status.code(), Code::Unimplemented, "what is not in the policy is nobody's");
    coordinator.stop().await;
}

/// Where nobody is asked, everything but joining is everybody's.
#[tokio::test]
async fn without_auth_everybody_is_the_coordinators_own_user() {
    let coordinator =
        Coordinator::with(|settings| crate::settings::ServeSettings { auth: false, ..settings }).await;
    assert_eq!(coordinator.published.token, None);
    let link = open(&coordinator.dial(None, None)).await;
    for path in served() {
        let refused = is_refusal(&call(link.clone(), &path).await);
        assert_eq!(!refused, expected(&path).contains('x') || expected(&path).contains('n'), "{path}");
    }
    coordinator.stop().await;
}

/// Calls with a message that has nothing in it, and no second one. What may be called fails in some other way, if at all.
async fn call(link: Link, path: &str) -> Status {
    let mut grpc = Grpc::new(link);
    grpc.ready().await.unwrap();
    let request = tonic::Request::new(tokio_stream::iter([()]));
    let answer =
        grpc.streaming(request, PathAndQuery::try_from(path).unwrap(), ProstCodec::<(), ()>::default());
    match answer.await {
        Ok(_) => Status::ok(""),
        Err(status) => status,
    }
}

/// Whether the outermost layer refused. What a service itself refuses says so in other words.
fn is_refusal(status: &Status) -> bool {
    let by_a_service = ["invalid", "malformed", "no header", "Hello"];
    matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
        && !by_a_service.iter().any(|word| status.message().contains(word))
}

#[test]
fn nobody_but_a_worker_is_a_worker() {
    for caller in [Caller::Anonymous, Caller::Local] {
        assert_eq!(caller.worker(), None);
    }
}
