use std::process::Output;

use crate::{coordinator::Coordinator, program::program};

async fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program().args(args).output().await.unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.code(), stdout, stderr)
}

#[tokio::test]
async fn bad_input_exits_with_2_and_says_what_is_wrong() {
    for (args, said) in [
        (&[][..], "--join"),
        (&["--join", "nowhere"], "use HOST:PORT"),
        (&["--join", "a:1", "--device", "tpu"], "use auto, cpu, cuda:N or mps"),
        (&["--join", "a:1"], "needs a token"),
        (&["--join", "127.0.0.1:1", "--scratch", "/proc/none"], "/proc/none"),
        (&["--join", "127.0.0.1:1", "--device", "cuda:999"], "cuda:999"),
        (&["--join", "127.0.0.1:1", "--cores", "1023"], "1023"),
        (&["--join", "127.0.0.1:1", "--slots", "x"], "use a whole number from 1 to 1024"),
        (
            &["--join", "127.0.0.1:1", "--data", "/nowhere/at/all"],
            "the folder `/nowhere/at/all` is not there",
        ),
        (&["dance"], "dance"),
    ] {
        let (code, stdout, stderr) = run(args).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

#[tokio::test]
async fn variables_stand_in_for_flags() {
    let mut coordinator = Coordinator::start().await;
    let mut command = program();
    command.env("RUNG_JOIN", coordinator.address()).env("RUNG_ID", "by-variable").env("RUNG_SLOTS", "3");
    let _worker = command.args(["--slots", "2", "--device", "cpu"]).kill_on_drop(true).spawn().unwrap();
    let hello = coordinator.session().await.hello;
    assert_eq!((hello.worker.as_str(), hello.slots), ("by-variable", 2));
}

#[tokio::test]
async fn a_flag_wins_over_its_variable_and_that_over_the_file() {
    let mut coordinator = Coordinator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rung.toml");
    let text = format!("[worker]\njoin = \"{}\"\ndevice = \"cpu\"\nslots = 3\n", coordinator.address());
    std::fs::write(&file, text).unwrap();
    for (variable, flags, slots) in
        [(None, &[][..], 3), (Some("2"), &[], 2), (Some("2"), &["--slots", "1"], 1), (Some(""), &[], 3)]
    {
        let mut command = program();
        command.env("RUNG_CONFIG", &file).args(flags);
        if let Some(slots) = variable {
            command.env("RUNG_SLOTS", slots);
        }
        let _worker = command.kill_on_drop(true).spawn().unwrap();
        assert_eq!(coordinator.session().await.hello.slots, slots, "{variable:?} {flags:?}");
    }
}

#[tokio::test]
async fn a_wrong_file_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rung.toml");
    let named = ["--config", file.to_str().unwrap(), "--join", "127.0.0.1:1"];
    let (code, _, stderr) = run(&named).await;
    assert!(code == Some(2) && stderr.contains("cannot read configuration file"), "{stderr}");
    for (text, said) in [
        ("[worker]\n\nslot = 2\n", "unknown key of [worker] `slot`; did you mean `slots`?"),
        ("[worker]\n\nid = \"one\"\n", "unknown key of [worker] `id`"),
        ("[worker]\n\nslots = 0\n", "invalid value '0' for '--slots <N>'"),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, _, stderr) = run(&named).await;
        assert!(code == Some(2) && stderr.contains(said) && stderr.contains("rung.toml:3:"), "{stderr}");
    }
}

#[tokio::test]
async fn the_doctor_tells_facts() {
    let (code, stdout, stderr) = run(&["doctor", "--device", "cpu", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let facts: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(facts["cores"].as_u64().unwrap() > 0 && facts["problem"].is_null(), "{facts}");
    let (code, stdout, _) = run(&["doctor", "--device", "cuda:999"]).await;
    assert_eq!(code, Some(1));
    assert!(stdout.contains("cuda:999"), "{stdout}");
}

#[tokio::test]
async fn a_coordinator_of_another_protocol_is_left_alone() {
    use proto::v1::{Welcome, coordinator_message::Kind};
    let mut coordinator = Coordinator::start().await;
    let mut command = program();
    let worker = command.args(["--join", &coordinator.address(), "--device", "cpu"]).output();
    let answer = async {
        let session = coordinator.session().await;
        session.say(Kind::Welcome(Welcome { protocol: 9, ..Welcome::default() })).await;
        session
    };
    let (output, _session) = tokio::join!(worker, answer);
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = format!("this worker speaks {}", proto::PROTOCOL);
    assert!(String::from_utf8_lossy(&output.stderr).contains(&said), "{output:?}");
}
