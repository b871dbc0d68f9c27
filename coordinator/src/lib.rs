//! Rung's coordinator and command line.
//!
//! In the order of a study's life: the command line ([`cli`]) reads a study file and finds or starts a coordinator
//! ([`client`], [`server`]); a request or a worker's message passes [`access`] and comes in by [`grpc`]; the [`driver`] asks the scheduler,
//! commits to the [`store`], and only then acts; checkpoints lie in [`blobs`]. What came out is told by a [`report`].

pub mod cli;

pub mod client;

pub mod settings;

pub mod server;

pub mod access;

pub mod grpc;

pub mod driver;

pub mod store;

pub mod blobs;

#[cfg(test)]
mod played;

pub mod fsck;

pub mod backup;

pub mod ensemble;
pub mod report;

pub mod resolve;

pub mod clock;
