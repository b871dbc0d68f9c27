//! The second fence: every event that names an attempt is checked against what is stored, in its own transaction.
//!
//! The scheduler has refused stale messages before; this does not trust it. A commit costs one look and one write for each
//! trial that it touches.

use std::collections::BTreeMap;

use common::ids::{Attempt, StudyId, TrialNumber};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use scheduler::Event;

use super::StoreError;

/// What is known of a trial's attempts.
#[derive(Debug, Clone, Copy, Default)]
struct Fence {
    /// The last one given.
    last: Attempt,
    /// Whether its lease is out.
    live: bool,
    /// Whether the trial was promoted in this commit: an early-stopped trial's result may then be carried on.
    promoted: bool,
}

/// Checks the events of a commit in order, and stores what they say of attempts.
pub(super) fn check(
    transaction: &Transaction<'_>,
    events: &[(StudyId, u64, Event)],
) -> Result<(), StoreError> {
    let mut fences: BTreeMap<(&StudyId, TrialNumber), Fence> = BTreeMap::new();
    for (study, _, event) in events {
        if let Event::BudgetEnded { .. } = event {
            transaction
                .prepare_cached("UPDATE attempts SET live = 0 WHERE study = ?")?
                .execute([study.as_str()])?;
            fences.iter_mut().filter(|((of, _), _)| *of == study).for_each(|(_, fence)| fence.live = false);
        }
        let Some(trial) = event.trial() else { continue };
        let fence = match fences.get(&(study, trial)) {
            Some(fence) => *fence,
            None => stored(transaction, study, trial)?,
        };
        let next = fence.after(event).map_err(|why| {
            let attempt = event.attempt().unwrap_or(fence.last);
            StoreError::Fenced { study: study.clone(), trial, attempt, why }
        })?;
        fences.insert((study, trial), next);
    }
    let mut write = transaction.prepare_cached(
        "INSERT OR REPLACE INTO attempts (study, trial, attempt, live) VALUES (?, ?, ?, ?)",
    )?;
    for ((study, trial), fence) in fences {
        write.execute(params![study.as_str(), trial.0, fence.last.0 as i64, fence.live])?;
    }
    Ok(())
}

fn stored(transaction: &Transaction<'_>, study: &StudyId, trial: TrialNumber) -> Result<Fence, StoreError> {
    let mut query =
        transaction.prepare_cached("SELECT attempt, live FROM attempts WHERE study = ? AND trial = ?")?;
    let fence = |row: &rusqlite::Row<'_>| {
        Ok(Fence { last: Attempt(row.get::<_, i64>(0)? as u64), live: row.get(1)?, promoted: false })
    };
    Ok(query.query_row(params![study.as_str(), trial.0], fence).optional()?.unwrap_or_default())
}

impl Fence {
    /// What is known after an event, or why the event cannot be.
    fn after(self, event: &Event) -> Result<Self, &'static str> {
        match *event {
            Event::Granted { .. } if self.live => Err("another attempt is out"),
            Event::Granted { attempt, .. } if attempt <= self.last => {
                Err("attempts must increase, and it was given before")
            }
            Event::Granted { attempt, .. } => Ok(Self { last: attempt, live: true, ..self }),
            Event::Promoted { .. } => Ok(Self { promoted: true, ..self }),
            Event::CheckpointLost { .. } | Event::TrialFailed { .. } => Ok(Self { live: false, ..self }),
            Event::RungFinished { attempt, early_stopped: true, .. } if self.promoted && !self.live => {
                if attempt == self.last {
                    Ok(self)
                } else {
                    Err("it is not the trial's last one")
                }
            }
            _ => match event.attempt() {
                None => Ok(self),
                Some(attempt) if self.live && attempt == self.last => {
                    Ok(Self { live: matches!(event, Event::Checkpointed { .. }), ..self })
                }
                Some(_) => Err("it is not the one that is out"),
            },
        }
    }
}

/// Whether what is stored of a study's attempts is not what its log says: these rows have no seal, and a wrong one would refuse
/// every commit that it is asked about.
pub(super) fn is_wrong(
    connection: &Connection,
    study: &StudyId,
    log: &[Event],
) -> Result<bool, rusqlite::Error> {
    let mut query = connection.prepare("SELECT trial, attempt, live FROM attempts WHERE study = ?")?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, i64>(0)?, (row.get::<_, i64>(1)?, row.get::<_, bool>(2)?)))
    };
    // A number that is none any more is as wrong as another one.
    let stored: Option<BTreeMap<_, _>> =
        query.query_map([study.as_str()], row)?.collect::<Result<_, _>>().ok();
    let said = folded(log).into_iter();
    let said = said.map(|(trial, fence)| (i64::from(trial.0), (fence.last.0 as i64, fence.live))).collect();
    Ok(stored != Some(said))
}

/// Stores what a study's log says of attempts, in place of whatever is there: of a release that had no such fence, or
/// [wrong](is_wrong).
pub(super) fn fill(transaction: &Transaction<'_>, study: &StudyId, log: &[Event]) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM attempts WHERE study = ?", [study.as_str()])?;
    for (trial, fence) in folded(log) {
        transaction.execute(
            "INSERT INTO attempts (study, trial, attempt, live) VALUES (?, ?, ?, ?)",
            params![study.as_str(), trial.0, fence.last.0 as i64, fence.live],
        )?;
    }
    Ok(())
}

/// What a log says of each trial's attempts.
fn folded(log: &[Event]) -> BTreeMap<TrialNumber, Fence> {
    let mut fences: BTreeMap<TrialNumber, Fence> = BTreeMap::new();
    for event in log {
        if let Event::BudgetEnded { .. } = event {
            fences.values_mut().for_each(|fence| fence.live = false);
        }
        let Some(trial) = event.trial() else { continue };
        let fence = fences.entry(trial).or_default();
        *fence = fence.after(event).unwrap_or(*fence);
    }
    fences
}
