use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use tests::{program, scratch};

/// Compiles the first line of every C++ file here, with more flags; says whether it went well, and what was said.
fn compile(flags: &[&str]) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let config = fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
    let last = "CPLUS_INCLUDE_PATH = { value = \"worker/ext/missing\", relative = true }";
    assert!(config.contains(last), "cargo gives compilers this folder:\n{config}");
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let mut words = compiler.split_whitespace();
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .args(["-fsyntax-only", "-x", "c++"])
        .args(flags)
        .arg("-")
        .env("CPLUS_INCLUDE_PATH", root.join("worker/ext/missing"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"#include <torch/torch.h>\n").unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn building_without_libtorch_says_what_to_do() {
    let (built, said) = compile(&[]);
    assert!(!built && said.contains("not found: run `cargo xtask setup`"), "{said}");
    assert!(said.contains("fatal error"), "it ends at once: {said}");
}

#[test]
fn a_libtorch_that_is_there_comes_first() {
    let libtorch = scratch();
    fs::create_dir(libtorch.path().join("torch")).unwrap();
    fs::write(libtorch.path().join("torch/torch.h"), "// libtorch\n").unwrap();
    let (built, said) = compile(&["-I", libtorch.path().to_str().unwrap()]);
    assert!(built, "{said}");
}

/// What `rung doctor` says with another program in the place of the worker.
fn doctor(worker: &str) -> String {
    let folder = scratch();
    let path = folder.path().join("rung-worker");
    fs::write(&path, format!("#!/bin/sh\n{worker}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program("rung"));
    command.arg("doctor").env("RUNG_STATE", folder.path()).env("RUNG_CONFIG", "/dev/null");
    let output = command.env("RUNG_WORKER", &path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_doctor_names_a_libtorch_that_is_not_there() {
    let loader =
        "rung-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file";
    let said = doctor(&format!("echo '{loader}' >&2; exit 127"));
    assert!(said.contains(loader) && said.contains("run `cargo xtask setup`"), "{said}");
}

#[test]
fn the_doctor_names_a_libtorch_of_another_version() {
    let problem = "problem     libtorch 2.11.0 is loaded, but this rung-worker was built for 2.13.0";
    let said = doctor(&format!("echo '{problem}'; exit 1"));
    assert!(said.contains(problem), "{said}");
}
