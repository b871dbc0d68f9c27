//! What an NVIDIA GPU is called and how much memory it has, as its driver's tool tells.
//!
//! libtorch's headers tell neither without those of CUDA, which building Rung does not need.

use std::{
    env,
    io::Read as _,
    process::{ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Longest time that the tool may take; it may have to wake the driver.
const PATIENCE: Duration = Duration::from_secs(10);

/// A GPU's name and its memory in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub(crate) name: String,
    pub(crate) memory_bytes: u64,
}

/// The GPU of that CUDA number; none where the tool is not there or does not know it.
pub(crate) fn nvidia(number: usize) -> Option<Gpu> {
    let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
    let mut tool = Command::new("nvidia-smi")
        .arg(format!("--id={}", id(number, visible.as_deref())?))
        .args(["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let said = tool.stdout.take().and_then(read);
    if said.is_none() {
        // A tool that has ended already is as good.
        let _ = tool.kill();
    }
    let ended = tool.wait();
    parse(&said?).filter(|_| ended.is_ok_and(|status| status.success()))
}

/// Everything that a process writes, where it is done in time.
fn read(mut pipe: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = pipe.read_to_string(&mut text);
        // Nobody may be waiting any more.
        let _ = sender.send(read.map(|_| text));
    });
    receiver.recv_timeout(PATIENCE).ok()?.ok()
}

/// What the driver calls a device that CUDA has numbered among those that this process may see.
fn id(number: usize, visible: Option<&str>) -> Option<String> {
    match visible.filter(|list| !list.is_empty()) {
        Some(list) => list.split(',').nth(number).map(|id| id.trim().to_owned()),
        None => Some(number.to_string()),
    }
}

/// Reads `NVIDIA H200, 143771`: a name and mebibytes.
fn parse(line: &str) -> Option<Gpu> {
    let (name, mebibytes) = line.trim().rsplit_once(',')?;
    let mebibytes: u64 = mebibytes.trim().parse().ok()?;
    Some(Gpu { name: name.trim().to_owned(), memory_bytes: mebibytes << 20 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_line_is_read() {
        let gpu = |name: &str, memory_bytes| Some(Gpu { name: name.to_owned(), memory_bytes });
        assert_eq!(parse("NVIDIA H200, 143771\n"), gpu("NVIDIA H200", 143_771 << 20));
        assert_eq!(parse("NVIDIA GeForce RTX 3060, Ti, 8192"), gpu("NVIDIA GeForce RTX 3060, Ti", 8 << 30));
        for line in ["", "No devices were found", "NVIDIA H200, [N/A]"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn numbers_count_what_the_process_may_see() {
        assert_eq!(id(1, None).as_deref(), Some("1"));
        assert_eq!(id(1, Some("")).as_deref(), Some("1"));
        assert_eq!(id(0, Some("3, GPU-8f")).as_deref(), Some("3"));
        assert_eq!(id(1, Some("3, GPU-8f")).as_deref(), Some("GPU-8f"));
        assert_eq!(id(2, Some("3, GPU-8f")), None);
    }

    #[test]
    fn a_gpu_that_is_not_there_is_none() {
        assert_eq!(nvidia(999), None);
    }
}
