//! Rung's worker: a supervisor that holds leases, and trainer processes that train.
//!
//! In the order of a lease's life: [`settings`] say which coordinator to join, and `member` how to be known by it; the
//! supervisor ([`run`]) holds the connection and carries out what its [`session`] decides, and [`leave`] says when to
//! go; a lease is worked on in a `slot`, whose trainer process
//! ([`trainer`]) trains by [`formula`] or with libtorch (`torch`); `objects` carries checkpoints; [`doctor`] looks
//! and [`model`] serves trained models without joining.
//!
//! Nothing here knows a bracket or a rung: a lease says from which epoch to which, and no more.

pub mod settings;

mod supervisor;
pub use supervisor::run;

mod member;

mod event;

pub mod leave;

pub mod session;

mod slot;

pub mod trainer;

pub mod formula;

mod history;

mod whole;

#[cfg(feature = "torch")]
pub mod torch;

mod objects;

mod scratch;

mod host;

mod backoff;

pub mod doctor;

pub mod model;

mod error;
pub use error::WorkerError;
