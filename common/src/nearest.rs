//! The valid name that somebody most likely meant.

/// Longest word and longest candidate that are compared, in bytes: comparing takes as many steps, and as much memory, as
/// the product of both.
const MAX_WORD_BYTES: usize = 128;

/// The candidate nearest to a word; none where no candidate is near, or the word is longer than any name.
///
/// Near is a candidate that contains the word or is contained in it (three letters or more), or that typing errors
/// turn into it: one, and one more for every four letters. Of candidates that are equally near, it is the one nearest in
/// length.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let lower = word.to_lowercase();
    let most = 1 + lower.chars().count() / 4;
    let distance = |candidate: &str| {
        let part = |a: &str, b: &str| a.len() >= 3 && b.contains(a);
        match strsim::damerau_levenshtein(&lower, candidate) {
            distance if distance <= most => Some(distance),
            _ if part(&lower, candidate) || part(candidate, &lower) => Some(most + 1),
            _ => None,
        }
    };
    let comparable = candidates.into_iter().filter(|candidate| candidate.len() <= MAX_WORD_BYTES);
    let near = comparable.filter_map(|candidate| {
        Some((distance(candidate)?, candidate.len().abs_diff(lower.len()), candidate))
    });
    near.min().map(|(.., candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_forgiven() {
        let keys = ["max_epochs", "eta", "seed", "epochs"];
        for (word, expected) in [
            ("max_epoch", Some("max_epochs")),
            ("MAX_EPOCHS", Some("max_epochs")),
            ("sede", Some("seed")),
            ("epoch", Some("epochs")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }

    #[test]
    fn of_names_that_contain_a_word_the_shortest_is_meant() {
        let metrics = ["val_accuracy", "val_loss", "val_macro_f1", "train_accuracy", "train_loss"];
        for (word, expected) in [
            ("accuracy", "val_accuracy"),
            ("loss", "val_loss"),
            ("acc", "val_accuracy"),
            ("macro_f1", "val_macro_f1"),
        ] {
            assert_eq!(nearest(word, metrics), Some(expected), "{word}");
        }
    }

    #[test]
    fn a_text_that_can_be_no_name_is_near_nothing_and_takes_no_time() {
        let long = "eta".repeat(1 << 20);
        assert_eq!(nearest(&long, ["eta", long.as_str()]), None);
        assert_eq!(nearest("eta", [long.as_str(), "zeta"]), Some("zeta"));
        let (name, typed) = ("x".repeat(MAX_WORD_BYTES), "x".repeat(MAX_WORD_BYTES - 1));
        assert_eq!(nearest(&typed, [name.as_str()]), Some(name.as_str()));
    }
}
