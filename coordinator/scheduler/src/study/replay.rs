//! From a stored log to a study.

use common::ids::Attempt;

use super::Study;
use crate::{
    event::{Event, LOG_VERSION},
    plan::Plan,
};

/// Why a log gives no study.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no event, or the first one is not the study's creation.
    #[error("the log does not begin with the study's creation")]
    NoBeginning,
    /// The log was written by a later release.
    #[error("the log has version {version}; this release reads versions up to {LOG_VERSION}")]
    TooNew {
        /// The log's version.
        version: u32,
    },
    /// An event stands where it cannot have happened.
    #[error("event {index} of the log does not fit those before it")]
    Misplaced {
        /// Its place in the log, from 0.
        index: usize,
    },
}

impl Study {
    /// The study that a log describes. It is equal to the one that wrote the log.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, ReplayError> {
        let mut events = events.into_iter().enumerate();
        let Some((_, Event::Created { version, spec, plan, at })) = events.next() else {
            return Err(ReplayError::NoBeginning);
        };
        if *version > LOG_VERSION {
            return Err(ReplayError::TooNew { version: *version });
        }
        let plan = plan.as_deref().cloned().unwrap_or_else(|| Plan::of(spec));
        let mut study = Self::new(spec.as_ref().clone(), plan, *at);
        for (index, event) in events {
            if !study.fits(event) {
                return Err(ReplayError::Misplaced { index });
            }
            study.apply(event);
        }
        Ok(study)
    }

    /// Whether an event is about something that is there.
    fn fits(&self, event: &Event) -> bool {
        match *event {
            Event::Created { .. } => false,
            Event::Drawn { trial, .. } => self.undrawn().next() == Some(trial.0),
            Event::Adopted { trial, .. } => {
                self.trial(trial).is_some_and(|trial| trial.last_attempt == Attempt(0))
            }
            Event::DrawsEnded { from } => from.0 == self.trials.len() as u32,
            Event::Ticked { .. } | Event::Paused { .. } | Event::Resumed { .. } | Event::Restored { .. } => {
                self.finished.is_none()
            }
            Event::BudgetEnded { .. } | Event::Finished { .. } => self.finished.is_none(),
            _ => event.trial().is_some_and(|trial| self.trial(trial).is_some()),
        }
    }
}
