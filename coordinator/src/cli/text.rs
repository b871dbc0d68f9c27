//! Numbers, spans of time, shares and command lines as people read them.

use std::{ffi::OsString, mem, time::Duration};

/// A whole number with a comma after each three digits: `1,581`.
pub(crate) fn count(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 epoch`, `27 epochs`, `3 studies`.
pub(crate) fn plural(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{} {stem}ies", count(number)),
        (_, None) => format!("{} {noun}s", count(number)),
    }
}

/// A span of time to the precision that matters: `0.4 s`, `52 s`, `4 min 32 s`, `2 h 5 min`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    match seconds.round() as u64 {
        whole @ ..60 => format!("{whole} s"),
        whole @ 60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        whole => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A value of a metric, to four decimals; `-` where there is none, as nothing validated in a study without validation.
pub(crate) fn metric(value: Option<f64>) -> String {
    value.filter(|value| !value.is_nan()).map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
}

/// A learning rate, to three digits that count.
pub(crate) fn rate(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    if rounded != 0.0 && rounded.abs() < 1e-4 { format!("{rounded:e}") } else { rounded.to_string() }
}

/// A value as scripts read it: its shortest exact form; empty where there is none, or none that is finite.
pub(crate) fn exact(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map(|value| value.to_string()).unwrap_or_default()
}

/// Arguments of a command line as others may see them: without the token, and with a mark for what is no text.
pub(crate) fn without_token(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = String> {
    without_flag(arguments.map(|argument| argument.to_string_lossy().into_owned()), "--token")
}

/// Arguments of a command line without a flag and its value.
pub(crate) fn without_flag(
    arguments: impl Iterator<Item = String>,
    flag: &str,
) -> impl Iterator<Item = String> {
    // Whether the argument before was the flag, whose value comes next.
    let mut flagged = false;
    arguments.filter(move |argument| {
        let value = mem::replace(&mut flagged, argument == flag);
        let with_value = argument.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='));
        !value && !flagged && !with_value
    })
}

/// Quotes an argument for a POSIX shell where it needs it.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0_u32, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(plural(1_u32, "epoch"), "1 epoch");
        assert_eq!(plural(1581_u32, "epoch"), "1,581 epochs");
        assert_eq!(plural(0_u32, "study"), "0 studies");
    }

    #[test]
    fn rates_are_short() {
        let rates = [0.027_773_532_268_880_73, 0.001, 8e-7, 0.0, 0.2, f64::NAN].map(rate);
        assert_eq!(rates, ["0.0278", "0.001", "8e-7", "0", "0.2", "NaN"]);
    }

    #[test]
    fn what_is_no_finite_number_is_empty() {
        let values = [Some(0.1), None, Some(f64::NAN), Some(f64::NEG_INFINITY)].map(exact);
        assert_eq!(values, ["0.1", "", "", ""]);
    }

    #[test]
    fn a_command_line_is_shown_without_its_token() {
        use std::os::unix::ffi::OsStringExt as _;
        let shown = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            without_token(words).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("rung run mlp --token secret --seed 1"), "rung run mlp --seed 1");
        assert_eq!(shown("rung run --token=secret mlp --tokens"), "rung run mlp --tokens");
        assert_eq!(shown("rung run mlp --token secret"), "rung run mlp");
        let no_text = [OsString::from("rung"), OsString::from_vec(vec![b'a', 0xff])];
        assert_eq!(without_token(no_text.into_iter()).collect::<Vec<_>>(), ["rung", "a\u{fffd}"]);
    }

    #[test]
    fn spans_keep_what_matters() {
        let texts = [0.42, 9.96, 59.4, 272.0, 7500.0].map(|s| span(Duration::from_secs_f64(s)));
        assert_eq!(texts, ["0.4 s", "10 s", "59 s", "4 min 32 s", "2 h 5 min"]);
    }

    #[test]
    fn arguments_survive_a_shell() {
        assert_eq!(quoted("train.batch_size=64"), "train.batch_size=64");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
