//! What tch does not bind, and kernels that libtorch lacks; the only unsafe code of the workspace.
//!
//! In the order of a training step: a batch is gathered ([`batch`]), changed at random ([`augment`]), convolved ([`conv`]),
//! activated and dropped ([`dense`], [`norm`], [`mask`]), its loss is taken ([`batch`]) and parameters move ([`optim`]); what came of it can be
//! written as TorchScript ([`trace`]). Before all of that [`runtime`] sets what libtorch keeps per process. Every
//! function checks devices, types and shapes in C++ before it touches memory, and turns C++ exceptions into an
//! [`Error`].

pub mod runtime;

pub mod batch;

pub mod augment;

pub mod conv;

pub mod mask;

pub mod dense;

pub mod norm;

pub mod optim;

pub mod trace;

mod error;

mod ffi;

pub use error::Error;
