use anyhow::Result;

use crate::failure::Failure;

/// The words after a command.
///
/// Three commands with five flags among them are not worth the seconds that an argument parser takes to build, since
/// a fresh clone waits for this binary before anything else.
pub(crate) struct Args {
    words: std::vec::IntoIter<String>,
}

impl Args {
    pub(crate) fn new(words: Vec<String>) -> Self {
        // `--flag=value` is the same as `--flag value`.
        let split = |word: String| match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => vec![flag.to_owned(), value.to_owned()],
            _ => vec![word],
        };
        Self { words: words.into_iter().flat_map(split).collect::<Vec<_>>().into_iter() }
    }

    /// Returns the next flag.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.words.next()
    }

    /// Returns the value that must follow a flag.
    pub(crate) fn value(&mut self, flag: &str) -> Result<String> {
        let value = self.words.next().filter(|value| !value.is_empty() && !value.starts_with("--"));
        value.ok_or_else(|| Failure::bad_input(format!("{flag} needs a value")))
    }
}

/// The error for a flag that a command does not have.
pub(crate) fn unknown(flag: &str, command: &str) -> anyhow::Error {
    Failure::bad_input(format!("unknown argument `{flag}`; see `cargo xtask {command} --help`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::new(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_value_may_follow_after_a_space_or_an_equals_sign() {
        for mut args in [args(&["--from", "a=b"]), args(&["--from=a=b"])] {
            assert_eq!(args.next().as_deref(), Some("--from"));
            assert_eq!(args.value("--from").unwrap(), "a=b");
            assert_eq!(args.next(), None);
        }
    }

    #[test]
    fn a_flag_is_no_value() {
        for words in [&["--cuda"][..], &[], &[""]] {
            assert_eq!(args(words).value("--from").unwrap_err().to_string(), "--from needs a value");
        }
    }
}
