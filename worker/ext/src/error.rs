use std::ffi::CStr;

use tch::TchError;

use crate::ffi;

/// A failure inside libtorch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The device or the host has no memory left.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// Anything else, in libtorch's words.
    #[error("libtorch: {0}")]
    Failed(String),
}

impl Error {
    /// The error of a message, told apart by its words: tch passes on nothing else.
    fn of_message(message: String) -> Self {
        let lower = message.to_lowercase();
        let memory = ["out of memory", "can't allocate memory", "not enough memory", "bad_alloc"];
        if memory.iter().any(|words| lower.contains(words)) {
            Self::OutOfMemory(message)
        } else {
            Self::Failed(message)
        }
    }
}

impl From<TchError> for Error {
    fn from(error: TchError) -> Self {
        Self::of_message(error.to_string())
    }
}

/// The result of a call into this package's C++.
pub(crate) fn check(status: i32) -> Result<(), Error> {
    if status == ffi::OK {
        return Ok(());
    }
    // SAFETY: the function has no precondition; it gives a NUL-terminated text that stays until this thread's next
    // failing call, and it is copied here.
    let message = unsafe { CStr::from_ptr(ffi::rung_last_message()) }.to_string_lossy().into_owned();
    if status == ffi::OUT_OF_MEMORY {
        Err(Error::OutOfMemory(message))
    } else {
        Err(Error::of_message(message))
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn memory_that_is_not_there_is_told_apart() {
        let huge = Tensor::f_empty([1 << 60], (Kind::Float, Device::Cpu)).map_err(Error::from);
        assert!(matches!(huge, Err(Error::OutOfMemory(_))), "{huge:?}");
        let wrong = Tensor::zeros([2], (Kind::Float, Device::Cpu)).f_reshape([3]).map_err(Error::from);
        assert!(matches!(wrong, Err(Error::Failed(_))), "{wrong:?}");
    }
}
