//! The valid name that somebody most likely meant.

/// The candidate nearest to a word; none where no candidate is near.
///
/// Near is a candidate that contains the word or is contained in it (three letters or more), or that typing errors
/// turn into it: one, and one more for every four letters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
    let near = candidates.into_iter().filter_map(|candidate| Some((distance(candidate)?, candidate)));
    near.min().map(|(_, candidate)| candidate)
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
}
