//! Rung's wire protocol, `rung.v1`, and the only files that know both it and the domain.

/// Protocol version that a worker and a coordinator must share.
pub const PROTOCOL: u32 = 5;

/// Largest message between a coordinator and its workers, in bytes; objects travel in chunks of [`CHUNK_BYTES`].
pub const MESSAGE_BYTES: usize = 4 << 20;

/// Largest message from people and their tools to a coordinator, in bytes: a study file, or a chunk and its header.
pub const CONTROL_BYTES: usize = CHUNK_BYTES + (16 << 10);

/// Largest piece of an object in one message, in bytes.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The generated messages, clients and servers.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
pub mod v1 {
    tonic::include_proto!("rung.v1");
}

/// The compiled protocol, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

mod to_proto;

mod from_proto;

mod history;

pub use from_proto::{Malformed, hparams, present};
pub use to_proto::scalars;
