use std::{path::PathBuf, process::Command};

/// What a program is started through: words before its own, and variables. By default nothing.
#[derive(Debug, Clone, Default)]
pub struct Wrapper {
    words: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// Whether the program is on another machine, as far as the coordinator can see.
    abroad: bool,
}

impl Wrapper {
    /// A program, such as `nsenter`, that becomes the program which its last words name.
    pub fn program(words: &[&str]) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), ..Self::default() }
    }

    /// The same, on another machine.
    #[must_use]
    pub fn abroad(self) -> Self {
        Self { abroad: true, ..self }
    }

    /// Whether it is on another machine.
    pub fn is_abroad(&self) -> bool {
        self.abroad
    }

    /// The same with one more variable.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// Another one within this one.
    #[must_use]
    pub fn around(mut self, inner: &Self) -> Self {
        self.words.extend(inner.words.iter().cloned());
        self.variables.extend(inner.variables.iter().cloned());
        self.abroad |= inner.abroad;
        self
    }

    /// The command that starts a program so; the process is the program's own, with its id.
    pub fn command(&self, program: PathBuf) -> Command {
        let mut command = match self.words.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
