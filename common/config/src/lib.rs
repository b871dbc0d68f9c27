//! The configuration file: defaults for the flags of both programs.
//!
//! A program looks for the file ([`File::of_this_process`]), then makes what it says the default of the flags it names
//! ([`File::defaults`]). So flags and variables win over it by themselves, and `--help` shows what holds. Each program
//! knows its own [`Section`]s. Those of `rung` are left alone by the other one; [`WORKER`] is judged by both.

mod error;
pub use error::ConfigError;

mod file;
pub use file::File;

mod place;

mod prepared;
pub use prepared::prepared;

mod section;
pub use section::Section;

mod worker;
pub use worker::{Coordinator, Cores, Device, WORKER, slots};
