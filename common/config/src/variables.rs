use clap::{
    Arg, Command,
    builder::{OsStr, Resettable},
};

/// The program without the variables that are set to nothing: they count as not set, for all its commands.
pub fn without_empty_variables(program: Command) -> Command {
    let kept = |arg: Arg| {
        let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if empty { arg.env(Resettable::<OsStr>::Reset) } else { arg }
    };
    program.mut_args(kept).mut_subcommands(without_empty_variables)
}
