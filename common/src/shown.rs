//! Texts of people's own that are shown on terminals and sent about, as names of classes and values to choose from.

/// Most characters of such a text.
const MOST: usize = 200;

/// Whether a character is shown as itself and moves nothing else: no control character, which could do anything to a terminal, and
/// no mark that turns the direction of what stands beside it, or ends a line.
pub fn is_harmless(c: char) -> bool {
    // What Unicode calls Bidi_Control, and its two separators.
    let moves = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !c.is_control() && !moves
}

/// What keeps a text from being shown and sent as it is, if anything: a character that does something to what stands around it,
/// or its length, as it goes with every study.
pub fn flaw(text: &str) -> Option<String> {
    match text.chars().find(|c| !is_harmless(*c)) {
        Some(c) if c.is_control() => Some("has a control character".to_owned()),
        Some(c) => Some(format!(
            "has the invisible character U+{:04X}, which moves what stands beside it",
            u32::from(c)
        )),
        None => text.chars().nth(MOST).map(|_| format!("has more than {MOST} characters")),
    }
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

    #[test]
    fn marks_that_turn_or_end_a_line_are_refused_and_letters_of_any_script_are_not() {
        let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
        for mark in marks.into_iter().chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            let said = flaw(&format!("a{mark}b")).unwrap();
            assert!(said.contains(&format!("U+{:04X}", u32::from(mark))), "{said}");
        }
        for text in ["חולצה", "قميص", "シャツ", "a\u{200d}b", "naïve\u{2027}"] {
            assert_eq!(flaw(text), None, "{text}");
        }
    }
}
