//! Which study a text means: a name, an id, a unique prefix of either, or `@last`.

use common::{ids::StudyId, nearest::nearest, view::StudyView};

/// A text that names no study, or several.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is none at all.
    #[error("there is no study yet: `rung run mlp` starts one")]
    Empty,
    /// None fits.
    #[error("no study is called `{text}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        text: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// Several fit.
    #[error("`{text}` could be {}: write more of the name", candidates.join(" or "))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Names that begin so.
        candidates: Vec<String>,
    },
}

/// The study that a text means, among all in the order of their creation.
pub fn study(studies: &[StudyView], text: &str) -> Result<StudyId, ResolveError> {
    if text == "@last" {
        return studies.last().map(|study| study.id.clone()).ok_or(ResolveError::Empty);
    }
    let exact = |study: &&StudyView| study.name.as_str() == text || study.id.as_str() == text;
    if let Some(study) = studies.iter().find(exact) {
        return Ok(study.id.clone());
    }
    let begins =
        |study: &&StudyView| study.name.as_str().starts_with(text) || study.id.as_str().starts_with(text);
    let found: Vec<_> = if text.is_empty() { Vec::new() } else { studies.iter().filter(begins).collect() };
    match found.as_slice() {
        [study] => Ok(study.id.clone()),
        [] if studies.is_empty() => Err(ResolveError::Empty),
        [] => {
            let nearest = nearest(text, studies.iter().map(|study| study.name.as_str()));
            Err(ResolveError::Unknown { text: text.to_owned(), nearest: nearest.map(str::to_owned) })
        }
        several => Err(ResolveError::Ambiguous {
            text: text.to_owned(),
            candidates: several.iter().map(|study| study.name.to_string()).collect(),
        }),
    }
}
