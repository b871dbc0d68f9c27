//! How failures of libtorch become failures of an attempt.

use tch::TchError;

use crate::trainer::TrainError;

impl From<worker_ext::Error> for TrainError {
    fn from(error: worker_ext::Error) -> Self {
        match error {
            worker_ext::Error::OutOfMemory(message) => Self::OutOfMemory(message),
            worker_ext::Error::Failed(_) => Self::Other(error.to_string()),
        }
    }
}

impl From<TchError> for TrainError {
    fn from(error: TchError) -> Self {
        worker_ext::Error::from(error).into()
    }
}
