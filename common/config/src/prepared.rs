use clap::{
    Arg, Command,
    builder::{OsStr, Resettable},
};

/// A program as both are read: without empty variables, and with values below zero.
pub fn prepared(program: Command) -> Command {
    with_negative_values(without_empty_variables(program))
}

/// The program without the variables that are set to nothing: they count as not set, for all its commands.
fn without_empty_variables(program: Command) -> Command {
    let kept = |arg: Arg| {
        let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if empty { arg.env(Resettable::<OsStr>::Reset) } else { arg }
    };
    program.mut_args(kept).mut_subcommands(without_empty_variables)
}

/// The program where `-1` after a flag is the flag's value, so that whoever checks the value says what is wrong with it. By
/// itself, clap takes it for a flag that nobody knows.
fn with_negative_values(program: Command) -> Command {
    let taking = |arg: Arg| {
        let values = arg.get_action().takes_values();
        if values { arg.allow_negative_numbers(true) } else { arg }
    };
    program.mut_args(taking).mut_subcommands(with_negative_values)
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, value_parser};

    use super::*;

    #[test]
    fn a_value_below_zero_is_checked_as_a_value() {
        let epochs = Arg::new("epochs").long("epochs").value_parser(value_parser!(u32).range(1..));
        let quiet = Arg::new("quiet").long("quiet").action(ArgAction::SetTrue);
        let program = Command::new("rung").subcommand(Command::new("plan").args([epochs, quiet]));
        let failure = prepared(program).try_get_matches_from(["rung", "plan", "--epochs", "-1"]).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("invalid value '-1' for '--epochs <epochs>'"), "{text}");
    }
}
