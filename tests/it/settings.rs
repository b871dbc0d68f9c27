use std::{fs, path::Path, process::Command};

use tests::{program, scratch};

/// Runs `rung` with a configuration file and more variables; says its exit code, stdout and stderr.
fn rung(variables: &[(&str, &Path)], args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(program("rung"));
    for name in ["RUNG_CONFIG", "RUNG_LISTEN", "RUNG_COORDINATOR"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).args(args).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), stdout, stderr)
}

/// An address that `serve` refuses, and names when it does.
fn listens(variables: &[(&str, &Path)], args: &[&str]) -> String {
    let (code, _, stderr) = rung(variables, &[&["serve", "--no-tls"], args].concat());
    assert_eq!(code, Some(2), "{stderr}");
    let said = stderr.strip_prefix("error: ").and_then(|text| text.split_once(" can be reached"));
    said.unwrap_or_else(|| panic!("{stderr}")).0.to_owned()
}

#[test]
fn a_flag_wins_over_its_variable_and_that_over_the_file() {
    let folder = scratch();
    let file = folder.path().join("rung.toml");
    fs::write(&file, "[serve]\nlisten = \"192.0.2.3:1\"\n").unwrap();
    let (config, variable) = (("RUNG_CONFIG", file.as_path()), ("RUNG_LISTEN", Path::new("192.0.2.2:1")));
    assert_eq!(listens(&[config], &[]), "192.0.2.3:1");
    assert_eq!(listens(&[config, variable], &[]), "192.0.2.2:1");
    assert_eq!(listens(&[config, variable], &["--listen", "192.0.2.1:1"]), "192.0.2.1:1");
    assert_eq!(listens(&[config, ("RUNG_LISTEN", Path::new(""))], &[]), "192.0.2.3:1");
}

#[test]
fn the_users_file_is_found_and_another_can_be_named() {
    let home = scratch();
    let usual = home.path().join("rung").join("config.toml");
    fs::create_dir(usual.parent().unwrap()).unwrap();
    fs::write(&usual, "[client]\noutput = \"json\"\n").unwrap();
    let other = home.path().join("other.toml");
    fs::write(&other, "[client]\noutput = \"csv\"\n").unwrap();
    let xdg = ("XDG_CONFIG_HOME", home.path());
    let plan = ["plan", "mlp", "--max-epochs", "9"];
    assert!(rung(&[xdg], &plan).1.starts_with("{\"max_epochs\":9"), "the user's");
    let named = [&["--config", other.to_str().unwrap()], &plan[..]].concat();
    assert!(rung(&[xdg], &named).1.starts_with("bracket,"), "the named one");
    assert!(
        !rung(&[xdg, ("RUNG_CONFIG", Path::new("/dev/null"))], &plan).1.starts_with(['{', 'b']),
        "neither"
    );
}

#[test]
fn a_wrong_file_is_bad_input() {
    let folder = scratch();
    let file = folder.path().join("rung.toml");
    let config = [("RUNG_CONFIG", file.as_path())];
    let (code, _, stderr) = rung(&config, &["plan", "mlp"]);
    assert!(code == Some(2) && stderr.contains("cannot read configuration file"), "{stderr}");
    for (text, said) in [
        ("[serve]\nlisen = \"a:1\"\n", "unknown key of [serve] `lisen`; did you mean `listen`?"),
        ("[serve]\nlease = \"soon\"\n", "`soon` is no span of time"),
        ("[client]\nlocal = true\n", "`local` needs a text or a number, not a value of type boolean"),
    ] {
        fs::write(&file, text).unwrap();
        let (code, _, stderr) = rung(&config, &["plan", "mlp"]);
        assert!(code == Some(2) && stderr.contains(said) && stderr.contains("rung.toml:2:"), "{stderr}");
    }
}

#[test]
fn what_local_workers_would_refuse_is_refused_before_a_study_is_stored() {
    let folder = scratch();
    let [file, state, study] = ["rung.toml", "state", "drill.yaml"].map(|name| folder.path().join(name));
    fs::write(&study, "{name: drill, model: formula, space: {x: {float: [0, 1]}}}\n").unwrap();
    let variables =
        [("RUNG_CONFIG", file.as_path()), ("RUNG_STATE", state.as_path()), ("RUNG_DATA", Path::new(""))];
    let run = ["run", study.to_str().unwrap()];
    for (line, said) in [
        ("slots = 0", "invalid value '0' for '--slots <N>'"),
        ("cores = \"9-1\"", "invalid value '9-1' for '--cores <LIST>'"),
        ("slot = 1", "unknown key of [worker] `slot`; did you mean `slots`?"),
    ] {
        fs::write(&file, format!("[worker]\n{line}\n")).unwrap();
        for args in [&run[..], &["study"]] {
            let (code, _, stderr) = rung(&variables, args);
            assert!(code == Some(2) && stderr.contains(said) && stderr.contains("rung.toml:2:"), "{stderr}");
        }
    }
    fs::write(&file, "[worker]\ndata = \"/nowhere/at/all\"\n").unwrap();
    let (code, _, stderr) = rung(&variables, &run);
    assert!(code == Some(2) && stderr.contains("the folder `/nowhere/at/all` is not there"), "{stderr}");
    assert!(stderr.contains("`data` of [worker]") && !state.exists(), "{stderr}");
    let plan = rung(&variables, &["plan", "mlp", "--max-epochs", "9"]);
    assert_eq!(plan.0, Some(0), "only workers read from that folder: {}", plan.2);
}

#[test]
fn the_doctor_says_which_file_was_read() {
    let folder = scratch();
    let file = folder.path().join("rung.toml");
    fs::write(&file, "").unwrap();
    let (_, stdout, _) = rung(&[("RUNG_CONFIG", &file), ("RUNG_STATE", folder.path())], &["doctor"]);
    assert!(stdout.contains(&format!("read from {}", file.display())), "{stdout}");
}
