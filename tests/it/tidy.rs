use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

/// Files below a folder that hold one of the words, outside their `mod tests`.
fn holding(folder: &str, words: &[&str]) -> Vec<String> {
    let files = rust_files(&root().join(folder));
    assert!(!files.is_empty(), "{folder} has no Rust files");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn the_scheduler_knows_no_time_network_or_disk() {
    let words =
        ["std::time::Instant", "SystemTime", "std::net", "std::fs", "std::thread", "std::env", "HashMap"];
    let found = holding("coordinator/scheduler/src", &words);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_domain_does_no_input_or_output() {
    let found = holding("common/src", &["std::fs", "std::net", "std::thread", "std::env", "tokio"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_driver_machine_knows_no_task_clock_or_socket() {
    let words = ["tokio", "Instant", "SystemTime", "std::fs", "std::net", "async "];
    for file in ["coordinator/src/driver/machine", "coordinator/src/driver"] {
        let found: Vec<_> = holding(file, &words)
            .into_iter()
            .filter(|line| !line.contains("driver/shell") && !line.contains("driver/tests/"))
            .collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn reports_know_no_disk_network_or_clock() {
    let words = ["std::fs", "std::net", "std::env", "tokio", "SystemTime", "Instant", "async "];
    let found = holding("coordinator/src/report", &words);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn protobuf_types_stop_at_the_edges() {
    let inner = [
        "coordinator/scheduler/src",
        "coordinator/src/blobs",
        "coordinator/src/driver",
        "coordinator/src/ensemble",
        "coordinator/src/report",
        "coordinator/src/store",
        "worker/src/session",
        "worker/src/torch",
    ];
    for folder in inner {
        let found = holding(folder, &["proto::", "use proto", "pb::"]);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn the_coordinator_knows_no_tensor_and_the_worker_no_bracket() {
    let found = holding("coordinator/src", &[" tch::", "use tch", "Tensor"]);
    assert!(found.is_empty(), "{found:#?}");
    let found = holding("worker/src", &["scheduler::", "Bracket", "rusqlite"]);
    assert!(found.is_empty(), "{found:#?}");
}
