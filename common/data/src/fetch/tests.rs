use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread;

use super::*;
use crate::fixture::{Fixture, gzip, only};
use crate::open::open_entry;

/// Serves the files of a folder over HTTP and returns its address; what is not there gets a 404.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            lines.find(|line| line.as_ref().unwrap().is_empty());
            let path = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            let (status, body) = match fs::read(folder.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // The client may hang up as soon as it has seen enough.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

/// The tiny data set on a server, and an empty folder to fetch it into.
fn served() -> (Fixture, tempfile::TempDir) {
    let mut fixture = Fixture::new();
    fixture.entry.official = serve(fixture.folder().to_owned());
    (fixture, tempfile::tempdir().unwrap())
}

#[test]
fn all_files_come_and_open() {
    let (fixture, into) = served();
    let into = into.path().join("new/folder");
    let fetched = fetch_entry(&fixture.entry, &into).unwrap();
    assert_eq!(fetched, Fetched { folder: into.clone(), origin: Origin::Official, files: 4 });
    let fetched = open_entry(&fixture.entry, &only(&into)).unwrap();
    assert_eq!(fetched, open_entry(&fixture.entry, &fixture.sources()).unwrap());
    assert_eq!(fs::read_dir(&into).unwrap().count(), 4, "nothing temporary is left");
}

#[test]
fn a_second_fetch_asks_nobody() {
    let (mut fixture, into) = served();
    fetch_entry(&fixture.entry, into.path()).unwrap();
    fixture.entry.official = "http://127.0.0.1:9".to_owned();
    assert_eq!(fetch_entry(&fixture.entry, into.path()).unwrap().origin, Origin::AlreadyThere);
}

#[test]
fn a_corrupted_file_is_fetched_again_and_only_it() {
    let (fixture, into) = served();
    fetch_entry(&fixture.entry, into.path()).unwrap();
    fs::write(into.path().join("t10k-labels.gz"), "garbage").unwrap();
    assert_eq!(fetch_entry(&fixture.entry, into.path()).unwrap().files, 1);
    open_entry(&fixture.entry, &only(into.path())).unwrap();
}

#[test]
fn a_wrong_file_on_the_server_leaves_nothing() {
    let (fixture, into) = served();
    fs::write(fixture.path(&fixture.entry.test_labels), gzip(b"something else", 6)).unwrap();
    let error = fetch_entry(&fixture.entry, into.path()).unwrap_err().to_string();
    assert!(
        error.contains("the project's server: its `t10k-labels.gz` is not the one published: the md5 of"),
        "{error}"
    );
    assert!(error.contains("Debian's package: there is none of tiny"), "{error}");
    assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_file_on_the_server_is_named() {
    let (fixture, into) = served();
    fs::remove_file(fixture.path(&fixture.entry.test_images)).unwrap();
    let error = fetch_entry(&fixture.entry, into.path()).unwrap_err().to_string();
    assert!(error.contains("t10k-images.gz: http status: 404"), "{error}");
}

#[test]
fn no_server_is_noticed_at_once() {
    let fixture = Fixture::new();
    let into = tempfile::tempdir().unwrap();
    let error = fetch_entry(&fixture.entry, into.path()).unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:9/train-images.gz"), "{error}");
    assert!(error.contains(&into.path().display().to_string()) && error.contains("RUNG_DATA"), "{error}");
}
