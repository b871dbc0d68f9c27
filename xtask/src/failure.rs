use std::fmt;

/// An error that decides the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something the user has to put right before trying again.
    pub(crate) fn bad_input(message: impl Into<String>) -> anyhow::Error {
        Self { code: 2, message: message.into() }.into()
    }

    /// A command that ended with an exit code of its own, which becomes ours.
    pub(crate) fn of_command(message: impl Into<String>, code: Option<i32>) -> anyhow::Error {
        // A command that a signal ended has no code, and a code beyond a byte is no code of a Unix process.
        let code = code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1);
        Self { code, message: message.into() }.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Returns the exit code that an error asks for.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(1, |failure| failure.code)
}
