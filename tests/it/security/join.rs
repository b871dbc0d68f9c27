use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tests::{Cluster, faults::Wrapper, program, scratch};

use super::{Open, files, wait};

const STUDY: &str = "name: far\nmodel: formula\nspace: {width: {int: [1, 64]}}\n\
                     scheduler: {kind: hyperband, max_epochs: 3, eta: 3}\n";

/// The file of a worker's certificate.
fn certificate(open: &Open, home: &str) -> Result<PathBuf> {
    let found = files(&open.folder.path().join(home));
    found.into_iter().find(|file| file.extension().is_some_and(|end| end == "json")).context("no certificate")
}

#[test]
fn the_printed_line_is_all_that_another_machine_needs() -> Result<()> {
    let mut open = Open::start(&[])?;
    let line = open.line.clone();
    let words: Vec<_> = line.split(' ').skip(1).collect();
    assert_eq!(open.words(), words);
    open.worker("node", &words)?;
    let ids = open.connected(1)?;
    let study = open.folder.path().join("study.yaml");
    fs::write(&study, STUDY)?;
    open.rung(&["run", &study.display().to_string(), "--local", "0"]).ok();
    let kept = certificate(&open, "node")?;
    assert_eq!(fs::metadata(&kept)?.mode() & 0o777, 0o600);

    // The same line starts it again as the same worker, by its certificate; another machine joins as another.
    open.kill(0)?;
    open.worker("node", &words)?;
    assert_eq!(open.connected(1)?, ids);
    open.worker("other", &words)?;
    assert_eq!(open.connected(2)?.len(), 2);
    let tokens = open.rung(&["token", "-o", "json"]).ok().json();
    assert_eq!((tokens[0]["role"].as_str(), tokens[0]["uses_left"].as_u64()), (Some("worker"), Some(14)));

    // Without a token too, since the certificate is kept.
    open.kill(1)?;
    open.worker("node", &words[..2])?;
    let now = open.connected(2)?;
    assert!(now.contains(&ids[0]), "{now:?}");
    Ok(())
}

#[test]
fn a_person_elsewhere_logs_in_once() -> Result<()> {
    let open = Open::start(&[])?;
    let made = open.rung(&["token", "create", "--role", "operator", "--name", "ana"]).ok();
    let words: Vec<_> = made.stdout.trim().split(' ').collect();
    assert_eq!((words[0], words[1], words[3]), ("rung", "login", "--token"));
    let home = scratch();
    let elsewhere = |args: &[&str]| {
        let mut command = Command::new(program("rung"));
        command.args(args).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path().join("config"));
        command.env("XDG_DATA_HOME", home.path().join("data")).stdin(Stdio::null());
        for name in ["RUNG_STATE", "RUNG_COORDINATOR", "RUNG_TOKEN", "RUNG_CONFIG"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    };
    let code = |args: &[&str]| elsewhere(args).status.code();
    let address = words[2];
    assert_eq!(code(&["study", "--coordinator", address]), Some(2), "nobody is logged in");
    assert_eq!(code(&words[1..]), Some(0));
    let file = home.path().join("config/rung/logins.json");
    assert_eq!(fs::metadata(&file)?.mode() & 0o777, 0o600);
    let study = home.path().join("study.yaml");
    fs::write(&study, STUDY)?;
    assert_eq!(code(&["study", "submit", &study.display().to_string()]), Some(0));
    let listed = elsewhere(&["study", "-o", "json"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"far\""), "{listed:?}");
    let denied = elsewhere(&["token"]);
    assert_eq!(denied.status.code(), Some(2));
    let said = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(said.contains("needs the role admin") && said.contains("operator"), "{said}");
    let audit = open.rung(&["audit", "-o", "csv"]).ok().stdout;
    for words in ["(ana)", "SubmitStudy,far,ok", "ListTokens,,refused"] {
        assert!(audit.contains(words), "{words}: {audit}");
    }
    assert_eq!(code(&["logout"]), Some(0));
    assert!(!fs::read_to_string(&file)?.contains("rung_"), "the token is gone");
    assert_eq!(code(&["study", "--coordinator", address]), Some(2));
    Ok(())
}

#[test]
fn a_certificate_is_renewed_under_way_and_after_an_absence() -> Result<()> {
    let mut open = Open::start(&["--certificate-life", "4s"])?;
    let line = open.line.clone();
    let words: Vec<_> = line.split(' ').skip(1).collect();
    open.worker("node", &words)?;
    let ids = open.connected(1)?;
    let kept = certificate(&open, "node")?;
    let first = fs::read(&kept)?;
    wait("a renewal", || fs::read(&kept).is_ok_and(|now| now != first))?;
    assert_eq!(open.connected(1)?, ids);
    let audit = open.rung(&["audit", "-o", "csv"]).ok().stdout;
    assert!(audit.contains("Join") && audit.contains("Renew"), "{audit}");

    open.kill(0)?;
    let away = Instant::now();
    wait("the certificate to end", || away.elapsed() > Duration::from_secs(5))?;
    open.worker("node", &words[..2])?;
    assert_eq!(open.connected(1)?, ids, "it rejoins by a certificate that has ended");
    Ok(())
}

#[test]
fn a_revoked_worker_is_out_within_seconds_and_says_how_to_come_back() -> Result<()> {
    let mut open = Open::start(&[])?;
    let line = open.line.clone();
    let words: Vec<_> = line.split(' ').skip(1).collect();
    open.worker("node", &words[..])?;
    let ids = open.connected(1)?;
    open.kill(0)?;
    open.worker("node", &words[..2])?;
    open.connected(1)?;
    let started = Instant::now();
    open.rung(&["worker", "revoke", &ids[0]]).ok();
    let (code, log) = open.ends(1)?;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("was revoked: `rung token create`"), "{log}");
    Ok(())
}

#[test]
fn what_lets_no_worker_in_is_said_and_changes_nothing() -> Result<()> {
    let mut open = Open::start(&[])?;
    let line = open.line.clone();
    let words: Vec<_> = line.split(' ').skip(1).collect();
    let person = open.rung(&["token", "create", "--role", "viewer"]).ok().stdout;
    let person = person.trim().rsplit(' ').next().unwrap().to_owned();
    let once = open.rung(&["token", "create"]).ok().stdout;
    let once = once.trim().rsplit(' ').next().unwrap().to_owned();
    let token = open.rung(&["token", "-o", "json"]).ok().json();
    let id = token.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    open.rung(&["token", "revoke", &id]).ok();
    let cut = &words[3][..words[3].len() - 3];
    let other = Open::start(&[])?;
    let foreign = other.words()[3].to_owned();
    for (args, says) in [
        (vec!["--join", words[1]], "rung token create"),
        (vec!["--join", "192.0.2.1:7070"], "joining 192.0.2.1:7070 needs a token"),
        (vec!["--join", words[1], "--token", cut], "cut off or mistyped"),
        (vec!["--join", words[1], "--token", &person], "a person's, for the role viewer"),
        (vec!["--join", words[1], "--token", &once], "was revoked"),
    ] {
        let worker = open.worker("node", &args)?;
        let (code, log) = open.ends(worker)?;
        assert_eq!(code, Some(2), "{args:?}: {log}");
        assert!(log.contains(says), "{args:?} does not say `{says}`: {log}");
        assert!(!log.contains(cut), "a token is repeated: {log}");
    }
    // Another cluster's token: it may still be that the right coordinator comes up there, so the worker waits.
    let worker = open.worker("node", &["--join", words[1], "--token", &foreign])?;
    wait("a warning", || {
        open.log(&format!("w{worker}")).contains("not the coordinator that the token is for")
    })?;
    let kept = files(&open.folder.path().join("node"));
    assert!(kept.iter().all(|file| file.extension().is_none_or(|end| end != "json")), "{kept:?}");
    assert!(open.connected(0)?.is_empty());
    Ok(())
}

/// On a shared machine, a coordinator is its user's alone.
#[tokio::test]
async fn a_loopback_coordinator_is_closed_to_who_cannot_read_its_folder() -> Result<()> {
    let mut cluster = Cluster::start(0).await?;
    assert_eq!(fs::metadata(cluster.state())?.mode() & 0o777, 0o700);
    let note = cluster.state().join("coordinator.json");
    assert_eq!(fs::metadata(&note)?.mode() & 0o777, 0o600);
    let elsewhere = scratch();
    let address = cluster.address().to_owned();
    let ran = tests::rung(elsewhere.path(), &["study", "--coordinator", &address]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("rung login") && ran.stderr.contains("--state"), "{ran:?}");
    let worker = cluster.start_worker_with(&Wrapper::default(), elsewhere.path(), &["--join", &address])?;
    assert_eq!(cluster.worker_ends(worker).await?, Some(2));
    assert!(cluster.logs().contains("rung token create"), "{}", cluster.logs());

    // Through a tunnel, which ends at this address, a token lets in.
    let made = tests::rung(&cluster.state(), &["token", "create"]).ok();
    let words: Vec<_> = made.stdout.trim().split(' ').skip(1).collect();
    cluster.start_worker_with(&Wrapper::default(), elsewhere.path(), &words)?;
    while cluster.connected().await?.len() != 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
