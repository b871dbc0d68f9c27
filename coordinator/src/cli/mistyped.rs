//! What may have been meant by a command line that says nothing.

use std::ffi::OsString;

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};
use common::nearest::nearest;

use super::text::{quoted, without_token};

/// The error with what may have been meant, where clap itself does not say it.
pub(super) fn explained(mut error: Error, program: &Command, typed: &[OsString]) -> Error {
    let mut program = program.clone();
    // Gives each command the name that its usage line begins with.
    program.build();
    let words: Vec<String> = without_token(typed.iter().skip(1).cloned()).collect();
    let (command, rest) = named(&program, &words);
    match error.kind() {
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            let names = command.get_subcommands().map(Command::get_name);
            if let Some(near) = rest.first().and_then(|word| nearest(word, names)) {
                let near = ContextValue::Strings(vec![near.to_owned()]);
                error.insert(ContextKind::SuggestedSubcommand, near);
            }
            error
        }
        ErrorKind::ArgumentConflict => match verb_first(command, &words, rest.len()) {
            Some(line) => {
                let text = format!("a command stands before its flags: `{line}`");
                command.clone().error(ErrorKind::ArgumentConflict, text)
            }
            None => error,
        },
        _ => error,
    }
}

/// The command that words begin with, and the words after it.
fn named<'a, 'b>(program: &'a Command, words: &'b [String]) -> (&'a Command, &'b [String]) {
    match words.split_first() {
        Some((word, rest)) if let Some(command) = program.find_subcommand(word) => named(command, rest),
        _ => (program, words),
    }
}

/// The command line with the verb that stands after a flag moved to its place; the last `rest` words come after the noun.
fn verb_first(noun: &Command, words: &[String], rest: usize) -> Option<String> {
    let (before, after) = words.split_at(words.len() - rest);
    let at = after.iter().position(|word| noun.find_subcommand(word).is_some())?;
    let others = after.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, word)| word);
    let line = before.iter().chain([&after[at]]).chain(others).map(|word| quoted(word));
    Some(format!("rung {}", line.collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn said(line: &str) -> String {
        let typed: Vec<_> = line.split(' ').map(OsString::from).collect();
        let error = Cli::command().try_get_matches_from(&typed).unwrap_err();
        let error = explained(error, &Cli::command(), &typed);
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_short_command_that_is_mistyped_has_its_neighbour_named() {
        assert!(said("rung rnu").contains("a similar subcommand exists: 'run'"), "{}", said("rung rnu"));
        assert!(said("rung study sohw").contains("'show'"), "{}", said("rung study sohw"));
        assert!(!said("rung quux").contains("similar"));
    }

    #[test]
    fn a_verb_after_a_flag_is_put_in_its_place() {
        let text = said("rung trial --sort value list my-mlp --token secret");
        assert!(text.contains("`rung trial list --sort value my-mlp`"), "{text}");
        assert!(text.contains("Usage: rung trial"), "{text}");
    }
}
