//! What the network sees: decode, ask, encode.

mod access_service;

mod data_service;

mod model_service;

mod status;

mod upload;

mod download;

mod adoption;

mod study_service;

mod quota;

mod wire;

mod worker_service;

pub use access_service::AccessServer;
pub use study_service::StudyServer;
pub use worker_service::WorkerServer;

/// A report and an object's name as they come from a worker, for tests that send anything.
#[cfg(test)]
pub(crate) use wire::{object_key as fuzzed_name, report as fuzzed_report};
