//! Why a text is no study.

use std::fmt;

use crate::nearest::nearest;

/// What is wrong with a study file, where, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// What is wrong, in one line.
    pub message: String,
    /// Where it is wrong; none where the flaw belongs to no place, or the text is no file.
    pub place: Option<Place>,
    /// What would help, for example the nearest valid key.
    pub help: Option<String>,
}

/// Where in what a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the study file; lines and columns count from 1.
    File {
        /// The line.
        line: u32,
        /// The column, in characters.
        column: u32,
    },
    /// In the override of this dotted key.
    Override(String),
}

impl SpecError {
    /// An error without a place.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, help: None }
    }

    /// The error for a key or name that is none of the valid ones.
    pub(super) fn unknown(noun: &str, given: &str, valid: &[&str]) -> Self {
        Self::new(format!("unknown {noun} `{given}`")).with_nearest(given, valid)
    }

    /// The error with the nearest valid name as help, or with all of them where none is near.
    #[must_use]
    pub(super) fn with_nearest(self, given: &str, valid: &[&str]) -> Self {
        let help = match nearest(given, valid.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", valid.join(", ")),
        };
        Self { help: Some(help), ..self }
    }

    /// The line in the study file, from 1.
    pub fn line(&self) -> Option<u32> {
        match self.place {
            Some(Place::File { line, .. }) => Some(line),
            _ => None,
        }
    }

    /// The column in the study file, from 1.
    pub fn column(&self) -> Option<u32> {
        match self.place {
            Some(Place::File { column, .. }) => Some(column),
            _ => None,
        }
    }
}

impl fmt::Display for SpecError {
    /// Writes ``line 3, column 5: unknown key `max_epoch`; did you mean `max_epochs`?``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(Place::File { line, column }) => write!(f, "line {line}, column {column}: ")?,
            Some(Place::Override(key)) => write!(f, "override `{key}`: ")?,
            None => {}
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SpecError {}
