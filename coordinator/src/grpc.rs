//! What the network sees: decode, ask, encode.

mod data_service;

mod model_service;

mod status;

mod upload;

mod adoption;

mod study_service;

mod wire;

mod worker_service;

pub use study_service::StudyServer;
pub use worker_service::WorkerServer;
