//! The settings of arithmetic that are part of a result.

use std::marker::PhantomData;
#[cfg(test)]
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use common::study::{Precision, TrainSpec};
use worker_ext::{Error, runtime};

/// Tests of one process compute side by side, and the precision is the process's: those in bfloat16 compute alone.
#[cfg(test)]
static PRECISION: RwLock<()> = RwLock::new(());

/// While it lives, this thread computes as a study asks: single precision, or products of bfloat16, repeatable kernels, so many
/// threads, and numbers below the least normal one taken for zero.
///
/// Running means of gradients that have become zero decay into such numbers, on which processors are slow; and what
/// is flushed changes results, so it is the same for every trial.
#[derive(Debug)]
pub(super) struct Arithmetic {
    /// The floating-point mode belongs to a thread.
    not_send: PhantomData<*const ()>,
    #[cfg(test)]
    _turn: (Option<RwLockReadGuard<'static, ()>>, Option<RwLockWriteGuard<'static, ()>>),
}

impl Arithmetic {
    pub(super) fn set(train: &TrainSpec) -> Result<Self, Error> {
        let bfloat16 = train.precision == Precision::Bfloat16;
        #[cfg(test)]
        let turn = {
            let beside = || PRECISION.read().unwrap_or_else(PoisonError::into_inner);
            let alone = || PRECISION.write().unwrap_or_else(PoisonError::into_inner);
            ((!bfloat16).then(beside), bfloat16.then(alone))
        };
        runtime::set_exact()?;
        // Before the first use of threads, as they inherit the mode. A processor that cannot is slower, not wrong.
        let _ = runtime::set_flush_denormal(true);
        runtime::set_threads(train.threads)?;
        runtime::set_precision(bfloat16)?;
        Ok(Self {
            not_send: PhantomData,
            #[cfg(test)]
            _turn: turn,
        })
    }
}

impl Drop for Arithmetic {
    fn drop(&mut self) {
        let _ = runtime::set_flush_denormal(false);
    }
}
