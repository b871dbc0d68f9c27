//! What this machine is and has: its name, processor, memory, cores and data sets.

use std::{collections::BTreeMap, fs, io, thread};

use common::{ids::WorkerId, study::DataSpec};
use data::Sources;

use crate::{backoff, settings::Cores};

/// The host's name; `localhost` where the system does not tell.
pub(crate) fn name() -> String {
    hostname::get().map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// An id for a worker that was not given one: the host's name, and a suffix that tells workers of one host apart.
pub(crate) fn worker_id() -> WorkerId {
    let id = format!("{}-{:06x}", sanitised(&name()), backoff::random() >> 40);
    // `sanitised` leaves only what a name may have, and room for the suffix.
    id.parse().expect("a sanitised host name is a valid worker id")
}

/// The host name in the letters that ids have: `Max's Mac.local` becomes `max-s-mac`.
fn sanitised(host: &str) -> String {
    let first = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let plain: String =
        first.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(50).collect();
    match plain.trim_matches('-') {
        "" => "worker".to_owned(),
        name => name.to_owned(),
    }
}

/// The processor's name; empty where the system does not tell.
pub(crate) fn processor() -> String {
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = facts.lines().find_map(|line| line.strip_prefix("model name"));
    named.map(|rest| rest.trim_start_matches([':', '\t', ' ']).to_owned()).unwrap_or_default()
}

/// The data sets that are here, and why the others are not. Each is verified when it is opened.
pub(crate) fn data_sets(sources: &Sources) -> (Vec<&'static str>, BTreeMap<&'static str, String>) {
    let (mut here, mut missing) = (Vec::new(), BTreeMap::new());
    for name in DataSpec::NAMES.iter().copied() {
        match sources.locate(name) {
            Ok(_) => here.push(name),
            Err(problem) => drop(missing.insert(name, problem.to_string())),
        }
    }
    (here, missing)
}

/// The machine's memory in bytes; 0 where the system does not tell.
pub(crate) fn memory_bytes() -> u64 {
    let facts = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = facts.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map_or(0, |kilobytes| kilobytes * 1024)
}

/// How many cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The cores that this process may use, by their numbers; none where the system does not tell (macOS).
#[cfg(target_os = "linux")]
pub(crate) fn usable_cores() -> Option<Cores> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0)).ok()?;
    Cores::of((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn usable_cores() -> Option<Cores> {
    None
}

/// Keeps this process, and every thread it starts from here on, on some cores.
///
/// It does nothing where the system has no such call (macOS): pinning is for speed, never for the result.
pub(crate) fn pin(cores: &Cores) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let mut set = nix::sched::CpuSet::new();
        for &core in cores.numbers() {
            set.set(core)?;
        }
        nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cores;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_become_names() {
        for (host, expected) in [
            ("node-3.lab.example", "node-3"),
            ("Max's Mac.local", "max-s-mac"),
            ("--", "worker"),
            ("", "worker"),
            ("éa", "a"),
        ] {
            assert_eq!(sanitised(host), expected, "{host}");
        }
        assert_eq!(sanitised(&"x".repeat(90)).len(), 50);
        assert_ne!(worker_id(), worker_id());
    }

    #[test]
    fn a_core_that_is_not_there_is_an_error() {
        if cfg!(target_os = "linux") {
            assert!(pin(&"1023".parse().unwrap()).is_err());
        }
    }
}
