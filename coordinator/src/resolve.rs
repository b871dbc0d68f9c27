//! Which study a text means: a name, an id, a unique prefix of either, or `@last`.

use common::{ids::StudyId, nearest::nearest, view::StudyView};

/// Most characters of a text that can mean a study: names and ids have no more.
const MAX_TEXT_CHARS: usize = 64;

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
    /// Some fit, and what is asked for needs the whole name or id.
    #[error("`{text}` is no study's whole name or id, which this needs; did you mean `{}`?", candidates.join("` or `"))]
    Partial {
        /// What was asked for.
        text: String,
        /// Names of those that fit.
        candidates: Vec<String>,
    },
    /// The text is longer than any name.
    #[error("no study is called `{begins}…`: names and ids have {} characters at most", MAX_TEXT_CHARS)]
    TooLong {
        /// The beginning of what was asked for.
        begins: String,
    },
}

/// The study that a text means, among all in the order of their creation.
pub fn study(studies: &[StudyView], text: &str) -> Result<StudyId, ResolveError> {
    meant(studies, text).map(|study| study.id.clone())
}

/// The study whose whole name or id a text is. For what cannot be undone: a beginning, or `@last`, would mean another study
/// once this one is gone.
pub fn whole(studies: &[StudyView], text: &str) -> Result<StudyId, ResolveError> {
    let partial = |candidates| ResolveError::Partial { text: text.to_owned(), candidates };
    match meant(studies, text) {
        Ok(study) if is_whole(study, text) => Ok(study.id.clone()),
        Ok(study) => Err(partial(vec![study.name.to_string()])),
        Err(ResolveError::Ambiguous { candidates, .. }) => Err(partial(candidates)),
        Err(error) => Err(error),
    }
}

fn meant<'a>(studies: &'a [StudyView], text: &str) -> Result<&'a StudyView, ResolveError> {
    if text.chars().nth(MAX_TEXT_CHARS).is_some() {
        return Err(ResolveError::TooLong { begins: text.chars().take(MAX_TEXT_CHARS).collect() });
    }
    if text == "@last" {
        return studies.last().ok_or(ResolveError::Empty);
    }
    if let Some(study) = studies.iter().find(|study| is_whole(study, text)) {
        return Ok(study);
    }
    let begins =
        |study: &&StudyView| study.name.as_str().starts_with(text) || study.id.as_str().starts_with(text);
    let found: Vec<_> = if text.is_empty() { Vec::new() } else { studies.iter().filter(begins).collect() };
    match found.as_slice() {
        [study] => Ok(*study),
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

fn is_whole(study: &StudyView, text: &str) -> bool {
    study.name.as_str() == text || study.id.as_str() == text
}

#[cfg(test)]
mod tests {
    use common::{
        metrics::{Goal, Metric},
        time::Timestamp,
        view::StudyPhase,
    };

    use super::*;

    fn view(name: &str, id: &str) -> StudyView {
        StudyView {
            id: id.parse().unwrap(),
            name: name.parse().unwrap(),
            phase: StudyPhase::Finished,
            complete: true,
            end_reason: None,
            metric: Metric::ValAccuracy,
            goal: Goal::Maximize,
            trials: 0,
            states: [0; 6],
            epochs: 0,
            planned_epochs: 0,
            best: None,
            created: Timestamp(0),
            finished: None,
            leases: 0,
            active_ms: 0,
            test: None,
            test_touches: 0,
        }
    }

    #[test]
    fn a_beginning_means_the_only_study_that_begins_so() {
        let studies = [view("mlp", "0a000000"), view("mlp-2", "0b000000"), view("cnn", "0c000000")];
        let found = |text| study(&studies, text).map(|id| id.to_string());
        assert_eq!(found("mlp").as_deref(), Ok("0a000000"));
        assert_eq!(found("c").as_deref(), Ok("0c000000"));
        assert_eq!(found("0b").as_deref(), Ok("0b000000"));
        assert_eq!(found("@last").as_deref(), Ok("0c000000"));
        assert_eq!(found("m").unwrap_err().to_string(), "`m` could be mlp or mlp-2: write more of the name");
        assert_eq!(found("mpl").unwrap_err().to_string(), "no study is called `mpl`; did you mean `mlp`?");
        assert_eq!(study(&[], "@last"), Err(ResolveError::Empty));
    }

    #[test]
    fn what_cannot_be_undone_takes_a_whole_name_or_id_alone() {
        let studies = [view("mlp-2", "0b000000"), view("cnn", "0c000000"), view("cnn-2", "0d000000")];
        let found = |text| whole(&studies, text).map(|id| id.to_string());
        assert_eq!(found("mlp-2").as_deref(), Ok("0b000000"));
        assert_eq!(found("0b000000").as_deref(), Ok("0b000000"));
        assert_eq!(found("cnn").as_deref(), Ok("0c000000"));
        let says = |text| found(text).unwrap_err().to_string();
        // The same command once more, when `mlp` itself is gone.
        assert_eq!(
            says("mlp"),
            "`mlp` is no study's whole name or id, which this needs; did you mean `mlp-2`?"
        );
        assert!(says("cn").ends_with("did you mean `cnn` or `cnn-2`?"), "{}", says("cn"));
        assert!(says("@last").ends_with("did you mean `cnn-2`?"), "{}", says("@last"));
        assert_eq!(says("vgg"), "no study is called `vgg`");
    }

    #[test]
    fn a_text_that_is_longer_than_any_name_is_refused_and_not_repeated() {
        let name = "x".repeat(MAX_TEXT_CHARS);
        let studies = [view(&name, "0a000000")];
        assert!(study(&studies, &name).is_ok());
        let error = study(&studies, &"é".repeat(1 << 20)).unwrap_err();
        assert!(matches!(error, ResolveError::TooLong { .. }) && error.to_string().len() < 250, "{error}");
        assert!(whole(&studies, &(name + "x")).is_err());
    }
}
