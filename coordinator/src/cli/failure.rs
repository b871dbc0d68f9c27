//! How a command fails: what is said, what would help, and the exit code.

use std::{error::Error, fmt, io};

use config::ConfigError;
use data::DataError;
use weights::WeightsError;

use super::input::SpecFault;
use crate::{
    client::{ClientError, LoginError},
    resolve::ResolveError,
    server::StartError,
};

/// The exit codes; 0 is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// What was asked for failed.
    Failed = 1,
    /// What was asked for makes no sense; nothing was changed.
    BadInput = 2,
    /// The time that was given is over.
    TimedOut = 124,
    /// Interrupted by Ctrl-C or a termination signal.
    Interrupted = 130,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: Code,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do next, where the message does not say it.
    pub(crate) help: Option<String>,
    /// Nobody reads the output any more, so nothing is to be said.
    pub(crate) silent: bool,
}

impl Failure {
    fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), help: None, silent: false }
    }

    /// What was asked for failed.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Code::Failed, message)
    }

    /// What was asked for makes no sense.
    pub(crate) fn bad_input(message: impl fmt::Display) -> Self {
        Self::new(Code::BadInput, message)
    }

    /// The time that was given is over.
    pub(crate) fn timed_out(message: impl fmt::Display) -> Self {
        Self::new(Code::TimedOut, message)
    }

    /// Interrupted.
    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self::new(Code::Interrupted, message)
    }

    /// Adds what to do next.
    pub(crate) fn help(self, help: impl fmt::Display) -> Self {
        Self { help: Some(help.to_string()), ..self }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = if is_bad_input(&error) { Code::BadInput } else { Code::Failed };
        let broken_pipe = cause::<io::Error>(&error).is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        Self { silent: broken_pipe, ..Self::new(code, &error) }
    }
}

/// Whether an error is about what was asked for.
fn is_bad_input(error: &(dyn Error + 'static)) -> bool {
    let bad_data = |error: &DataError| {
        matches!(
            error,
            DataError::Unknown { .. }
                | DataError::NotFound { .. }
                | DataError::Incomplete { .. }
                | DataError::Unreadable { .. }
                | DataError::Corrupted { .. }
                | DataError::Malformed { .. }
                | DataError::Unusable { .. }
                | DataError::Object(_)
        )
    };
    error.is::<SpecFault>()
        || error.is::<ConfigError>()
        || error.is::<StartError>()
        || error.is::<LoginError>()
        || error.is::<WeightsError>()
        || error.is::<ResolveError>()
        || error.downcast_ref().is_some_and(ClientError::is_bad_input)
        || error.downcast_ref().is_some_and(bad_data)
}

/// An error of this kind, or the one of this kind that caused it.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_from_whose_fault_it_is() {
        let refused = ClientError::Refused("no study `x`".to_owned());
        assert_eq!(Failure::from(refused).code, Code::BadInput);
        let down = ClientError::Unreachable { address: "a:1".to_owned(), reason: "refused".to_owned() };
        assert_eq!(Failure::from(down).code, Code::Failed);
        let unknown = data::Sources::nowhere().locate("fashion-minst").unwrap_err();
        assert_eq!(Failure::from(unknown).code, Code::BadInput);
    }

    #[test]
    fn a_reader_that_went_away_is_no_news() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).silent);
        assert!(!Failure::from(io::Error::from(io::ErrorKind::StorageFull)).silent);
    }
}
