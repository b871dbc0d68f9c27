use std::time::Duration;

use anyhow::Result;
use common::view::{EndReason, StudyPhase};
use proto::v1 as pb;
use tests::Cluster;
use tonic::Code;

fn study(name: &str, trials: u32) -> String {
    let trials: String =
        (0..trials).map(|width| format!("    - {{hparams: {{width: {width}}}}}\n")).collect();
    format!(
        "name: {name}\nmodel: formula\ntrain: {{epoch_seconds: 0.05}}\n\
         scheduler:\n  kind: fixed\n  epochs: 3\n  trials:\n{trials}"
    )
}

fn reference(study: &str) -> pb::StudyRef {
    pb::StudyRef { study: study.to_owned() }
}

#[tokio::test]
async fn studies_share_workers_fairly() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    cluster.submit(&study("first", 12)).await?;
    cluster.submit(&study("second", 12)).await?;
    cluster.until("first", 60, |study| study.epochs >= 18).await?;
    let other = cluster.study("second").await?;
    assert!(other.epochs >= 9, "half way through the first, the second has {} of 36 epochs", other.epochs);
    cluster.table("first").await?;
    cluster.table("second").await?;
    Ok(())
}

#[tokio::test]
async fn a_paused_study_waits_and_goes_on() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(&study("s", 6)).await?;
    cluster.until("s", 30, |study| study.epochs >= 3).await?;
    let mut client = cluster.client().await?;
    client.pause_study(reference("s")).await?;
    let waiting = cluster.until("s", 30, |study| study.leases == 0).await?;
    assert_eq!(waiting.phase, StudyPhase::Paused);
    cluster.submit(&study("t", 2)).await?;
    cluster.table("t").await?;
    assert_eq!(cluster.study("s").await?.epochs, waiting.epochs, "nothing moves while it is paused");
    client.resume_study(reference("s")).await?;
    cluster.table("s").await?;
    Ok(())
}

#[tokio::test]
async fn a_stopped_study_keeps_its_results_and_can_be_deleted() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(&study("s", 40)).await?;
    cluster.until("s", 30, |study| study.epochs >= 6).await?;
    let mut client = cluster.client().await?;
    let refused = client.delete_study(reference("s")).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    client.stop_study(reference("s")).await?;
    let stopped = cluster.until("s", 30, |study| study.phase == StudyPhase::Finished).await?;
    assert!(!stopped.complete);
    assert_eq!(stopped.end_reason, Some(EndReason::Requested));
    assert!(stopped.best.is_some() && stopped.test.is_some(), "{stopped:?}");
    client.delete_study(reference("s")).await?;
    let gone = client.get_study(reference("s")).await.map(|_| ()).unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    // They go beside the answer.
    let objects = cluster.state().join("objects").join(stopped.id.as_str()).join("0");
    for _ in 0..500 {
        if !objects.exists() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} is left", objects.display())
}

#[tokio::test]
async fn an_unfinished_study_of_equal_spec_is_resumed_and_another_refused() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    let first = cluster.submit(&study("s", 3)).await?;
    assert_eq!(cluster.submit(&study("s", 3)).await?.id, first.id);
    let refused = cluster.submit(&study("s", 4)).await.unwrap_err().to_string();
    assert!(refused.contains("--resume") && refused.contains("--fresh"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_finished_study_stays_and_the_next_one_is_called_2() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    cluster.submit(&study("s", 1)).await?;
    cluster.table("s").await?;
    cluster.kill_worker(0)?;
    let second = cluster.submit(&study("s", 1)).await?;
    assert_eq!(second.name.as_str(), "s-2");
    assert_eq!(
        cluster.submit(&study("s", 1)).await?.id,
        second.id,
        "the same once more means the unfinished one"
    );
    assert_eq!(cluster.submit(&study("s", 2)).await?.name.as_str(), "s-3", "something else is another study");
    Ok(())
}

#[tokio::test]
async fn a_drained_worker_takes_nothing_new_and_leaves() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    cluster.submit(&study("s", 8)).await?;
    cluster.until("s", 30, |study| study.leases == 2).await?;
    let request = pb::DrainWorkerRequest { worker: "w0".to_owned() };
    cluster.client().await?.drain_worker(request).await?;
    cluster.table("s").await?;
    let connected: Vec<_> = cluster.connected().await?.into_iter().map(|w| w.worker.to_string()).collect();
    assert_eq!(connected, ["w1"]);
    Ok(())
}

#[tokio::test]
async fn health_and_reflection_are_served() -> Result<()> {
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };
    let cluster = Cluster::start(0).await?;
    let mut health = HealthClient::new(cluster.channel().await?);
    for service in ["rung.v1.StudyService", "rung.v1.WorkerService"] {
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await?.into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let services = reflected_services(&cluster).await?;
    assert!(services.contains(&"rung.v1.StudyService".to_owned()), "{services:?}");
    Ok(())
}

async fn reflected_services(cluster: &Cluster) -> Result<Vec<String>> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let mut client = ServerReflectionClient::new(cluster.channel().await?);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = client.server_reflection_info(requests).await?.into_inner();
    let mut services = Vec::new();
    while let Some(answer) = answers.message().await? {
        if let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response {
            services.extend(list.service.into_iter().map(|service| service.name));
        }
    }
    Ok(services)
}
