use std::{path::Path, time::Duration};

use common::{study::StudySpec, view::StudyPhase};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    server::{RunError, Server},
    settings::ServeSettings,
};

/// A coordinator without workers.
struct Coordinator {
    remote: Remote,
    stop: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl Coordinator {
    async fn start(state: &Path) -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let settings = ServeSettings { listen, ..ServeSettings::new(state.to_owned()) };
        let server = Server::bind(settings).await.unwrap();
        let dial = dial_published(&server.published()).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        let remote = Remote::connect(&dial, Duration::from_secs(10)).await.unwrap();
        Self { remote, stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn spec(name: &str) -> StudySpec {
    StudySpec::from_yaml(&format!("{{name: {name}, model: formula, space: {{x: {{float: [0, 1]}}}}}}"))
        .unwrap()
}

fn target(state: &Path) -> Target {
    Target { state: Some(state.to_owned()), ..Target::default() }
}

#[tokio::test]
async fn a_coordinator_and_its_state_folder_tell_the_same() {
    let state = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(state.path()).await;
    coordinator.remote.submit(&spec("drill"), OnConflict::Match).await.unwrap();
    let cluster = target(state.path()).cluster().await.unwrap();
    assert!(matches!(&cluster, Cluster::Remote(found) if found.address() == coordinator.remote.address()));
    let told = cluster.study("@last").await.unwrap();
    let trials = cluster.trials("drill").await.unwrap();
    let history = cluster.history("drill").await.unwrap();
    assert!(cluster.history("nothing").await.unwrap_err().is_bad_input());
    assert!(cluster.workers().await.unwrap().is_empty());
    coordinator.stop().await;

    let cluster = target(state.path()).cluster().await.unwrap();
    assert!(matches!(cluster, Cluster::Stored(_)));
    assert_eq!(cluster.study("dri").await.unwrap(), told);
    assert_eq!(cluster.trials("drill").await.unwrap(), trials);
    assert_eq!(cluster.history("drill").await.unwrap(), history);
    assert_eq!(cluster.studies().await.unwrap(), [told.0]);
}

#[tokio::test]
async fn a_note_that_a_killed_coordinator_left_is_no_coordinator() {
    let state = tempfile::tempdir().unwrap();
    // Its process's number is another's by now.
    let note = format!(r#"{{"address":"127.0.0.1:1","pid":{}}}"#, std::process::id());
    std::fs::write(state.path().join(trust::LOCK_FILE), "").unwrap();
    trust::write_private(&state.path().join(trust::ADDRESS_FILE), note.as_bytes()).unwrap();
    assert!(matches!(target(state.path()).cluster().await.unwrap(), Cluster::Stored(_)));
}

#[tokio::test]
async fn a_study_is_watched_from_submission_to_deletion() {
    let state = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(state.path()).await;
    let remote = &coordinator.remote;
    let (study, resumed) = remote.submit(&spec("drill"), OnConflict::Match).await.unwrap();
    assert_eq!((study.name.as_str(), resumed), ("drill", false));
    assert!(remote.submit(&spec("drill"), OnConflict::Match).await.unwrap().1);

    let mut states = remote.watch("drill").await.unwrap();
    assert_eq!(states.next().await.unwrap().map(|view| view.phase), Some(StudyPhase::Running));
    assert_eq!(remote.pause("drill").await.unwrap().phase, StudyPhase::Paused);
    assert_eq!(remote.resume("drill").await.unwrap().phase, StudyPhase::Running);
    assert!(remote.delete("drill").await.unwrap_err().is_bad_input(), "it is not finished");
    assert_eq!(remote.stop("drill").await.unwrap().phase, StudyPhase::Finished);
    let mut last = None;
    while let Some(view) = states.next().await.unwrap() {
        last = Some(view.phase);
    }
    assert_eq!(last, Some(StudyPhase::Finished));
    remote.delete("drill").await.unwrap();
    assert!(remote.studies().await.unwrap().is_empty());
    coordinator.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_missing_is_named() {
    let state = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(state.path()).await;
    let remote = &coordinator.remote;
    remote.submit(&spec("drill"), OnConflict::Match).await.unwrap();
    let other = StudySpec { seed: 1, ..spec("drill") };
    let conflict = remote.submit(&other, OnConflict::Match).await.unwrap_err();
    let text = conflict.to_string();
    assert!(conflict.is_bad_input() && text.contains("--resume") && text.contains("--fresh"), "{text}");
    assert!(text.contains("has another spec (seed 0, not 1)"), "{text}");
    assert!(remote.submit(&other, OnConflict::Resume).await.unwrap().1);
    assert_eq!(remote.submit(&other, OnConflict::Fresh).await.unwrap().0.name.as_str(), "drill-2");

    let unknown = remote.study("dril-3").await.unwrap_err();
    assert!(unknown.is_bad_input() && unknown.to_string().contains("`dril-3`"), "{unknown}");
    assert!(
        matches!(remote.best("drill-2").await.unwrap_err(), ClientError::NoResult(study) if study == "drill-2")
    );
    assert!(remote.trial("drill-2", TrialNumber(500)).await.unwrap_err().is_bad_input());
    assert!(remote.drain("nobody").await.unwrap_err().is_bad_input());
    coordinator.stop().await;
}
