//! The settings of arithmetic that are part of a result.

use std::marker::PhantomData;

use common::study::{Precision, TrainSpec};
use worker_ext::{Error, runtime};

/// While it lives, this thread computes as a study asks: single precision, or products of bfloat16, repeatable kernels, so many
/// threads, and numbers below the least normal one taken for zero.
///
/// Running means of gradients that have become zero decay into such numbers, on which processors are slow; and what
/// is flushed changes results, so it is the same for every trial.
#[derive(Debug)]
pub(super) struct Arithmetic {
    /// The floating-point mode belongs to a thread.
    not_send: PhantomData<*const ()>,
}

impl Arithmetic {
    pub(super) fn set(train: &TrainSpec) -> Result<Self, Error> {
        runtime::set_exact()?;
        // Before the first use of threads, as they inherit the mode. A processor that cannot is slower, not wrong.
        let _ = runtime::set_flush_denormal(true);
        runtime::set_threads(train.threads)?;
        runtime::set_precision(train.precision == Precision::Bfloat16)?;
        Ok(Self { not_send: PhantomData })
    }
}

impl Drop for Arithmetic {
    fn drop(&mut self) {
        let _ = runtime::set_flush_denormal(false);
    }
}
