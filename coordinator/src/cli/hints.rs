//! Commands that messages name, as whoever reads them can type them.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::{Cli, text::quoted};

/// Flags that say which cluster is meant. The token is none of them: it is not to be repeated.
const OF_CLUSTER: [&str; 6] = ["--config", "--state", "--coordinator", "--tls-ca", "--tls-cert", "--tls-key"];

/// A text in which each command in backticks also has those flags of `typed` that say which cluster is meant, as far as it takes
/// them: without them it would ask another one. Variables stay set, so they need not be repeated.
pub(super) fn in_same_cluster(text: &str, typed: impl Iterator<Item = OsString>) -> String {
    if !text.contains("`rung ") {
        return text.to_owned();
    }
    let flags = of_cluster(typed);
    // Tokens are made by an admin on the coordinator's own machine, where neither this address nor files of this machine mean it.
    let remote = flags.iter().any(|(flag, _)| *flag == "--coordinator");
    let of_others = |command: &str| remote && command.starts_with("rung token ");
    let mut pieces: Vec<_> = text.split('`').map(str::to_owned).collect();
    for command in
        pieces.iter_mut().skip(1).step_by(2).filter(|piece| piece.starts_with("rung ") && !of_others(piece))
    {
        let taken = long_flags(command);
        for (flag, value) in &flags {
            let named = command.split(' ').any(|word| word == *flag);
            if taken.contains(flag) && !named {
                *command += &format!(" {flag} {}", quoted(value));
            }
        }
    }
    pieces.join("`")
}

/// The flags of a command line that say which cluster is meant, and their values.
fn of_cluster(typed: impl Iterator<Item = OsString>) -> Vec<(&'static str, String)> {
    let mut typed = typed.map(|argument| argument.to_string_lossy().into_owned());
    let mut flags = Vec::new();
    while let Some(argument) = typed.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if let Some(flag) = OF_CLUSTER.into_iter().find(|flag| *flag == name)
            && let Some(value) = value.or_else(|| typed.next())
        {
            flags.push((flag, value));
        }
    }
    flags
}

/// Those flags of [`OF_CLUSTER`] that a command takes.
fn long_flags(command: &str) -> Vec<&'static str> {
    let program = Cli::command();
    let mut verb = &program;
    for word in command.split(' ').skip(1) {
        match verb.find_subcommand(word) {
            Some(found) => verb = found,
            None => break,
        }
    }
    let arguments =
        || program.get_arguments().filter(|argument| argument.is_global_set()).chain(verb.get_arguments());
    let takes = |flag: &&str| arguments().any(|argument| argument.get_long() == flag.strip_prefix("--"));
    OF_CLUSTER.into_iter().filter(takes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, typed: &str) -> String {
        in_same_cluster(text, typed.split(' ').map(OsString::from))
    }

    #[test]
    fn commands_go_to_the_cluster_that_was_named() {
        let help = "`rung trial list x` shows its trials; `rung study stop x` ends it";
        assert_eq!(
            said(help, "rung run x.yaml --state /tmp/s --local 2"),
            "`rung trial list x --state /tmp/s` shows its trials; `rung study stop x --state /tmp/s` ends it"
        );
        assert_eq!(
            said("`rung best x`", "rung run x --coordinator=lab:7070 --tls-ca ca.pem --token secret"),
            "`rung best x --coordinator lab:7070 --tls-ca ca.pem`"
        );
        assert_eq!(said(help, "rung run x.yaml --local 2"), help);
        let token = "`rung token create` makes one";
        assert_eq!(said(token, "rung serve --state /s"), "`rung token create --state /s` makes one");
        assert_eq!(said(token, "rung study --coordinator lab:7070"), token, "an admin makes it there");
    }

    #[test]
    fn values_are_quoted_where_a_shell_needs_it() {
        let typed = ["rung", "best", "x", "--state", "my state"].map(OsString::from);
        assert_eq!(
            in_same_cluster("`rung study watch x`", typed.into_iter()),
            "`rung study watch x --state 'my state'`"
        );
    }

    #[test]
    fn a_command_has_only_flags_that_it_takes_and_none_twice() {
        let typed = "rung --config c.toml study list --state s --coordinator lab:7070";
        assert_eq!(
            said("`rung model list`", typed),
            "`rung model list --config c.toml --state s --coordinator lab:7070`"
        );
        assert_eq!(said("`rung logout`", typed), "`rung logout --config c.toml`");
        assert_eq!(said("`rung serve --state /x`", typed), "`rung serve --state /x --config c.toml`");
        assert_eq!(
            said("`rung-worker --join a:1`, or rung best x", typed),
            "`rung-worker --join a:1`, or rung best x"
        );
    }
}
