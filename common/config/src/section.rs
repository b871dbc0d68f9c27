use clap::{Arg, Command};

/// A table of the file, and the flags whose defaults its keys are.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The table's name.
    pub name: &'static str,
    /// Long names of flags. A flag that holds a secret, or that names one process, must not be among them.
    pub keys: &'static [&'static str],
    /// The only subcommand that is meant; all commands that have such a flag where it is none.
    pub command: Option<&'static str>,
}

impl Section {
    /// The flag of that name, from the first command that has it.
    pub(crate) fn flag<'a>(&self, program: &'a Command, key: &str) -> Option<&'a Arg> {
        let root = match self.command {
            Some(name) => program.find_subcommand(name)?,
            None => program,
        };
        find(root, key)
    }

    /// The program with another default of a flag, in all the commands that are meant.
    pub(crate) fn with_default(&self, program: Command, key: &str, value: &str) -> Command {
        match self.command {
            Some(name) => program.mut_subcommand(name, |command| replaced(command, key, value)),
            None => replaced(program, key, value),
        }
    }
}

fn find<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|arg| arg.get_long() == Some(key));
    own.or_else(|| command.get_subcommands().find_map(|command| find(command, key)))
}

fn replaced(command: Command, key: &str, value: &str) -> Command {
    let with_default = |arg: Arg| match arg.get_long() {
        Some(long) if long == key => arg.default_value(value.to_owned()),
        _ => arg,
    };
    command.mut_args(with_default).mut_subcommands(|command| replaced(command, key, value))
}
