//! A cluster for tests: the real programs as processes of their own, on loopback and a state folder of their own.
//!
//! [`Cluster`] starts and stops them; faults are verbs ([`Cluster::kill_worker`], [`Cluster::kill_coordinator`]).
//! Those that take more than a signal are in [`faults`].
//! Nothing sleeps for luck: everything waits on a condition with a deadline.

mod cluster;

mod command;

pub mod faults;

mod page;

mod programs;

mod pytorch;

mod python;

mod sample;

pub use cluster::{Cluster, Row};
pub use command::{Ran, rung};
pub use page::Page;
pub use programs::{program, scratch};
pub use python::python_with;
pub use pytorch::pytorch;
pub use sample::Sample;
