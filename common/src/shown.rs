//! Texts of people's own that are shown on terminals and sent about, as names of classes and values to choose from.

/// Most characters of such a text.
const MOST: usize = 200;

/// What keeps a text from being shown and sent as it is, if anything: a control character could do anything to a terminal, and
/// a long one goes with every study.
pub fn flaw(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return Some("has a control character".to_owned());
    }
    text.chars().nth(MOST).map(|_| format!("has more than {MOST} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_or_could_do_anything_to_a_terminal_is_told() {
        assert_eq!((flaw("T-shirt/top"), flaw(&"é".repeat(MOST))), (None, None));
        assert_eq!(flaw(&"é".repeat(MOST + 1)).unwrap(), "has more than 200 characters");
        assert_eq!(flaw("a\u{1b}[2J").unwrap(), "has a control character");
    }
}
