//! What was done is in the log, by whatever way it ended.

use std::{convert::Infallible, sync::Arc, time::Duration};

use common::{checkpoint::Digest, study::StudySpec};
use proto::v1::{self as pb, study_service_client::StudyServiceClient};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, body::Body, codegen::http};
use tower::{Layer as _, Service as _};

use super::Coordinator;
use crate::{
    access::{About, GuardLayer, gate::Gate, judge::Presented, seats::Seats},
    settings::ServeSettings,
};

/// The log's calls, what they were about, and how they ended.
fn log(coordinator: &Coordinator) -> Vec<(String, String, String)> {
    let entries = coordinator.access.audit(100).unwrap();
    entries.into_iter().map(|entry| (entry.call, entry.about, entry.outcome)).collect()
}

#[tokio::test]
async fn what_was_done_for_somebody_who_did_not_wait_is_in_the_log() {
    let coordinator = Coordinator::with(|settings| ServeSettings { auth: false, ..settings }).await;
    let never = tower::service_fn(|request: http::Request<Body>| async move {
        About::note(request.extensions(), "drill");
        std::future::pending::<Result<http::Response<Body>, Infallible>>().await
    });
    let close = CancellationToken::new();
    let seat = Seats::default().take([127, 0, 0, 1].into(), &close).unwrap();
    let nobody = ([127, 0, 0, 1], 5).into();
    let gate = Gate::new((nobody, Presented::Nothing), close, seat, Instant::now());
    for call in ["StopStudy", "GetStudy"] {
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = format!("/rung.v1.StudyService/{call}").parse().unwrap();
        request.extensions_mut().insert(Arc::clone(&gate));
        let mut guard = GuardLayer(Arc::clone(&coordinator.access)).layer(never);
        timeout(Duration::from_millis(20), guard.call(request)).await.unwrap_err();
    }
    let text = |text: &str| text.to_owned();
    assert_eq!(log(&coordinator), [(text("StopStudy"), text("drill"), text("caller gone"))]);
    coordinator.stop().await;
}

#[tokio::test]
async fn the_log_names_what_an_act_was_about_also_where_it_failed() {
    let coordinator = Coordinator::start().await;
    let mut studies = StudyServiceClient::new(coordinator.local().await);
    let spec = StudySpec::from_yaml("{name: drill, model: formula, space: {x: {float: [0, 1]}}}").unwrap();
    let submit = pb::SubmitStudyRequest { spec_json: spec.to_json(), on_conflict: 0 };
    let study = studies.submit_study(submit).await.unwrap().into_inner().study.unwrap();
    let named = |study: &str| pb::StudyRef { study: study.to_owned() };
    studies.pause_study(named("dri")).await.unwrap();
    // What cannot be undone takes the whole name.
    let refused = studies.delete_study(named("dri")).await.unwrap_err();
    assert!(refused.code() == Code::NotFound && refused.message().contains("`drill`"), "{refused:?}");
    studies.stop_study(named(&"x\n".repeat(10_000))).await.unwrap_err();
    studies.remove_model(pb::ModelRef { name: "gone".to_owned() }).await.unwrap_err();
    let header = |name: &str| {
        let header = pb::DataHeader { name: name.to_owned(), digest: Digest::of(b"x").to_string(), size: 1 };
        tokio_stream::iter([pb::DataChunk { header: Some(header), ..pb::DataChunk::default() }])
    };
    studies.add_model(header("wide")).await.unwrap_err();
    studies.add_data(header("shapes")).await.unwrap_err();
    let log = log(&coordinator);
    let about: Vec<_> = log.iter().map(|(call, about, _)| (call.as_str(), about.as_str())).collect();
    let (paused, long) = (format!("drill ({})", study.id), "x".repeat(200));
    assert_eq!(
        about,
        [
            ("SubmitStudy", "drill"),
            ("PauseStudy", paused.as_str()),
            ("DeleteStudy", "dri"),
            ("StopStudy", long.as_str()),
            ("RemoveModel", "gone"),
            ("AddModel", "wide"),
            ("AddData", "shapes"),
        ]
    );
    coordinator.stop().await;
}
