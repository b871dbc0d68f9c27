use std::time::Duration;

use ureq::Agent;

use super::check;
use crate::catalog::{Entry, File};

/// A machine without a way to the server must not wait long for the other source.
const CONNECT: Duration = Duration::from_secs(4);
const ANSWER: Duration = Duration::from_secs(15);
const WHOLE_FILE: Duration = Duration::from_secs(600);

/// Downloads files from the project's own server.
pub(super) fn get(entry: &Entry, wanted: &[&File]) -> Result<Vec<Vec<u8>>, String> {
    let agent: Agent = Agent::config_builder()
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_global(Some(WHOLE_FILE))
        .user_agent("rung")
        .build()
        .into();
    let mut contents = Vec::new();
    for file in wanted {
        let url = format!("{}/{}", entry.official, file.name);
        let bytes = download(&agent, &url, file).map_err(|problem| format!("{url}: {problem}"))?;
        check(file, &bytes)?;
        contents.push(bytes);
    }
    Ok(contents)
}

fn download(agent: &Agent, url: &str, file: &File) -> Result<Vec<u8>, ureq::Error> {
    let mut response = agent.get(url).call()?;
    // Compressed it is smaller than uncompressed, but for a tiny file's header.
    response.body_mut().with_config().limit(file.bytes as u64 + 1024).read_to_vec()
}
