//! What libtorch keeps per process or per thread.

use std::{
    ffi::{CStr, CString, c_char},
    ptr,
};

use crate::{Error, error::check, ffi};

/// The version of libtorch that this program was built for, for example `2.13.0`.
pub const BUILT_FOR: &str = env!("RUNG_LIBTORCH_VERSION");

/// Opens a shared library for everyone in the process, so that it registers its devices with libtorch.
///
/// Must come before the first use of libtorch: it looks for devices once.
pub fn open_library(name: &str) -> Result<(), Error> {
    let name = CString::new(name).map_err(|_| Error::Failed(format!("{name:?} is no library's name")))?;
    // SAFETY: the text is NUL-terminated and lives through the call. Opening runs the library's initialisers, which
    // are libtorch's own: callers name its parts only.
    check(unsafe { ffi::rung_open_library(name.as_ptr()) })
}

/// Lets the process keep the memory that it frees, for its next allocation.
///
/// A step allocates and frees the same large blocks; given back to the system each time, they would come anew page by
/// page. Does nothing where the C library is not glibc.
pub fn keep_memory() {
    // SAFETY: no argument, no precondition; it sets parameters of the allocator, which locks itself.
    unsafe { ffi::rung_keep_memory() }
}

/// Sets how many threads one operation may use on the CPU.
pub fn set_threads(threads: u32) -> Result<(), Error> {
    let threads = i32::try_from(threads.max(1)).unwrap_or(i32::MAX);
    // SAFETY: plain values.
    check(unsafe { ffi::rung_set_threads(threads) })
}

/// How many threads one operation may use on the CPU.
pub fn threads() -> u32 {
    // SAFETY: no argument, no precondition.
    unsafe { ffi::rung_threads() }.unsigned_abs()
}

/// Sets whether this thread takes numbers below the least normal one for zero.
pub fn set_flush_denormal(on: bool) -> Result<(), Error> {
    // SAFETY: plain values; it changes this thread's floating-point mode, on which no Rust code here relies.
    check(unsafe { ffi::rung_set_flush_denormal(on) })
}

/// Chooses exact single precision and repeatable kernels, for the process.
pub fn set_exact() -> Result<(), Error> {
    // SAFETY: no argument, no precondition.
    check(unsafe { ffi::rung_set_exact() })
}

/// Chooses whether products of single-precision matrices may round their factors to bfloat16, for the process; after
/// [`set_exact`], which takes it back.
///
/// Only the CPU's products heed it, and only where the processor multiplies bfloat16 (AMX); sums stay single. Fails where
/// libtorch does not keep to it.
pub fn set_precision(bfloat16: bool) -> Result<(), Error> {
    // SAFETY: plain values.
    check(unsafe { ffi::rung_set_precision(bfloat16) })
}

/// The version of the libtorch that is loaded, for example `2.13.0`.
pub fn version() -> Result<String, Error> {
    // SAFETY: the function writes a pointer to a static text where it succeeds.
    text(|out| unsafe { ffi::rung_version(out) })
}

/// The widest instruction set that libtorch's kernels use here, for example `AVX512`.
pub fn cpu_capability() -> Result<String, Error> {
    // SAFETY: the function writes a pointer to a static text where it succeeds.
    text(|out| unsafe { ffi::rung_cpu_capability(out) })
}

/// Whether an Apple GPU can be used.
pub fn has_mps() -> Result<bool, Error> {
    let mut has = false;
    // SAFETY: the place to write to lives through the call.
    check(unsafe { ffi::rung_has_mps(&mut has) })?;
    Ok(has)
}

/// Reads a text that C++ keeps for the life of the process.
fn text(read: impl FnOnce(*mut *const c_char) -> i32) -> Result<String, Error> {
    let mut text = ptr::null();
    check(read(&mut text))?;
    // SAFETY: on success C++ has stored a NUL-terminated text that is never freed.
    Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_tells_what_it_is() {
        assert_eq!(version().unwrap(), BUILT_FOR);
        assert!(!cpu_capability().unwrap().is_empty());
        set_exact().unwrap();
    }

    #[test]
    fn a_precision_that_was_chosen_is_kept_whatever_was_before() {
        for bfloat16 in [true, false, true, true] {
            set_exact().unwrap();
            set_precision(bfloat16).unwrap();
        }
        set_precision(false).unwrap();
    }

    #[test]
    fn a_library_that_is_not_there_is_an_error() {
        let error = open_library("librung_no_such_library.so").unwrap_err().to_string();
        assert!(error.contains("librung_no_such_library.so"), "{error}");
        assert!(open_library("a\0b").is_err());
    }

    #[test]
    fn denormal_numbers_are_flushed_where_asked() {
        let tiny = tch::Tensor::from_slice(&[1e-40f32]);
        let double = || (&tiny + &tiny).double_value(&[0]);
        set_flush_denormal(true).unwrap();
        let flushed = double();
        set_flush_denormal(false).unwrap();
        assert_eq!(flushed, 0.0);
        assert!(double() > 0.0);
    }
}
