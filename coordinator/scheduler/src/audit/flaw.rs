//! What is wrong with a log, and which promise it breaks.

use std::fmt;

use common::ids::{Attempt, TrialNumber};

use crate::event::Event;

/// A promise of the store that a log can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// One accepted attempt per trial at a time.
    OneAttempt,
    /// Attempts strictly increase, across restarts and restores.
    AttemptsIncrease,
    /// The log can be replayed, and its fold is the state.
    Fold,
    /// Every promotion is justified by results committed before it.
    Promotions,
    /// Charged epochs are at most the plan's.
    Budget,
    /// Terminal states are final.
    FinalStates,
}

/// Something wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is broken by it.
    pub invariant: Invariant,
    /// The event's place in the log, where it is one event's fault.
    pub event: Option<usize>,
    /// The trial that the event is about.
    pub trial: Option<TrialNumber>,
    /// The attempt that the event is about.
    pub attempt: Option<Attempt>,
    /// What is wrong, in words.
    pub what: String,
}

impl Flaw {
    /// A log that is wrong as a whole.
    pub(super) fn of_log(what: impl Into<String>) -> Self {
        Self { invariant: Invariant::Fold, event: None, trial: None, attempt: None, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Some(event) => write!(f, "event {event}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What is wrong with an event, before it is said with which.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) invariant: Invariant,
    pub(super) what: String,
}

impl Wrong {
    /// The flaw of an event at a place of the log.
    pub(super) fn at(self, index: usize, event: &Event) -> Flaw {
        let Self { invariant, what } = self;
        Flaw { invariant, event: Some(index), trial: event.trial(), attempt: event.attempt(), what }
    }
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self { invariant: Invariant::Fold, what }
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}
