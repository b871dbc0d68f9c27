use serde::Serialize;

/// A part of a report that there may be no data for; in JSON either itself or `{"missing": reason}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Section<T> {
    /// It is there.
    Present(T),
    /// It is not, and this is why.
    Missing {
        /// The reason, as a sentence without its full stop.
        missing: String,
    },
}

impl<T> From<Result<T, String>> for Section<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(section) => Self::Present(section),
            Err(missing) => Self::Missing { missing },
        }
    }
}

impl<T> Section<T> {
    /// The section, if it is there.
    pub(super) fn present(&self) -> Option<&T> {
        match self {
            Self::Present(section) => Some(section),
            Self::Missing { .. } => None,
        }
    }
}
