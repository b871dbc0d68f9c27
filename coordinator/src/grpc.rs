//! What the network sees: decode, ask, encode.

mod access_service;

mod data_service;

mod status;

mod adoption;

mod study_service;

mod quota;

mod wire;

mod worker_service;

pub use access_service::AccessServer;
pub use study_service::StudyServer;
pub use worker_service::WorkerServer;
