//! What the file can say of `rung-worker`, and which values its flags take.
//!
//! It stands here and not in that program because `rung` judges the table too: the local workers that it starts read the
//! same file, and a value that they would refuse is to be told before a study is stored for them.

mod cores;
pub use cores::Cores;

mod coordinator;
pub use coordinator::Coordinator;

mod device;
pub use device::Device;

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};
use common::duration;

use crate::Section;

/// The table `[worker]`; an id names one process, so a file that several read cannot give it.
pub const WORKER: Section = Section {
    name: "worker",
    keys: &[
        "join",
        "state",
        "identity",
        "tls-ca",
        "tls-cert",
        "tls-key",
        "device",
        "slots",
        "scratch",
        "data",
        "cores",
        "hang-timeout",
        "checkpoint-every",
        "exit-when-idle",
        "lifetime",
        "death-timeout",
    ],
    command: None,
};

/// Most trials that a worker trains at the same time.
const MOST_SLOTS: u32 = 1024;

/// A number of slots as a flag gives it; the error says what is expected.
pub fn slots(text: &str) -> Result<u32, String> {
    let slots = text.parse().ok().filter(|slots: &u32| (1..=MOST_SLOTS).contains(slots));
    slots.ok_or_else(|| format!("use a whole number from 1 to {MOST_SLOTS}"))
}

/// The flags of `rung-worker` that the file can give, as far as their values are judged. A test of that program holds
/// them against its own.
pub(crate) fn flags() -> Command {
    let flag = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let path = |name, value| flag(name, value).value_parser(value_parser!(PathBuf));
    let span = |name| flag(name, "TIME").value_parser(duration::span);
    Command::new("rung-worker").args([
        flag("join", "HOST:PORT").value_parser(value_parser!(Coordinator)),
        path("state", "DIR"),
        path("identity", "DIR"),
        path("tls-ca", "FILE"),
        path("tls-cert", "FILE"),
        path("tls-key", "FILE"),
        flag("device", "DEVICE").value_parser(value_parser!(Device)),
        flag("slots", "N").value_parser(slots),
        path("scratch", "DIR"),
        path("data", "DIR"),
        flag("cores", "LIST").value_parser(value_parser!(Cores)),
        span("hang-timeout"),
        span("checkpoint-every"),
        span("exit-when-idle").num_args(0..=1).require_equals(true).default_missing_value("60s"),
        span("lifetime"),
        span("death-timeout"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_a_flag() {
        let program = flags();
        let names: Vec<_> = program.get_arguments().filter_map(Arg::get_long).collect();
        assert_eq!(names, WORKER.keys);
        flags().debug_assert();
    }

    #[test]
    fn slots_are_a_number_within_reason() {
        assert_eq!((slots("1"), slots("1024")), (Ok(1), Ok(1024)));
        for bad in ["0", "-1", "1025", "x", "", "1.5", "99999999999"] {
            assert_eq!(slots(bad), Err("use a whole number from 1 to 1024".to_owned()), "{bad}");
        }
    }
}
