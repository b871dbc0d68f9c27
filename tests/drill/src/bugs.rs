//! The bugs of `tests/bugs`, which `cargo xtask mutants` puts in on purpose: each must still fit the sources.

use std::{fs, path::Path, process::Command};

#[test]
fn every_bug_can_still_be_put_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut patches: Vec<_> = fs::read_dir(root.join("tests/bugs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "patch"))
        .collect();
    patches.sort();
    assert!(patches.len() >= 20, "{} bugs are too few", patches.len());
    for patch in patches {
        let text = fs::read_to_string(&patch).unwrap();
        let title = text.lines().next().unwrap_or_default();
        assert!(!title.is_empty() && !title.starts_with("---"), "{} says what is wrong", patch.display());
        // A copy that a bug was put into is no part of a repository.
        let applied = Command::new("git")
            .args(["apply", "--check"])
            .arg(&patch)
            .current_dir(root)
            .env("GIT_CEILING_DIRECTORIES", root.parent().unwrap())
            .output();
        let Ok(applied) = applied else {
            assert!(std::env::var("CI").is_err(), "SKIPPED: git is missing");
            println!("SKIPPED: git is missing");
            return;
        };
        let why = String::from_utf8_lossy(&applied.stderr);
        assert!(applied.status.success(), "{} does not fit any more: {why}", patch.display());
    }
}
