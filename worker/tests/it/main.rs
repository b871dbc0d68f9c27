//! `rung-worker` as a process, against a coordinator that does as it is told.

// Helpers of tests are not tests to clippy, which allows `unwrap` only there.
#![allow(clippy::unwrap_used)]

/// A coordinator that does as it is told.
mod coordinator;

/// The program as a child process.
mod program;

/// What users type, and what they read when it was wrong.
mod cli;

/// A lease's way from grant to stored result.
mod leases;

/// What goes wrong in trainers.
mod trainers;

/// What goes wrong on the worker's machine, or in the coordinator's store.
mod machine;

/// What goes wrong between worker and coordinator.
mod links;

/// How a worker ends.
mod ends;
