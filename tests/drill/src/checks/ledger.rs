//! What is stored of one study, checked event by event.

use std::collections::BTreeMap;

use common::{
    evaluation::Evaluation,
    ids::{StudyId, TrialNumber},
    trial::TrialState,
    view::StudyPhase,
};
use coordinator::blobs::ObjectKey;
use scheduler::{Event, Study, Trial, audit::Audit};

use crate::objects::Objects;

/// Leases in a row after which a trial, or its evaluation, is given up.
const MOST_LOSSES: u32 = 5;

/// A study's log so far, folded.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    audit: Audit,
    study: Option<Study>,
    length: usize,
    /// Trials that have ended.
    ended: BTreeMap<TrialNumber, TrialState>,
    /// Leases that each trial has lost since it last got on.
    losses: BTreeMap<TrialNumber, u32>,
    /// Whether a trial or its evaluation was given up because its workers were lost: then the table is another.
    exhausted: bool,
}

impl Ledger {
    /// The study as it is stored.
    pub(crate) fn study(&self) -> Option<&Study> {
        self.study.as_ref()
    }

    /// How many events are stored.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Where the study stands.
    pub(crate) fn phase(&self) -> StudyPhase {
        self.study.as_ref().map_or(StudyPhase::Running, Study::phase)
    }

    /// Whether a trial or its evaluation was given up because its workers were lost.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// A log that is there as a whole, or what is wrong with it.
    pub(crate) fn of(id: &StudyId, log: &[Event]) -> Result<Self, String> {
        let mut ledger = Self::default();
        for (sequence, event) in log.iter().enumerate() {
            ledger.fold(sequence as u64, event, (id, true))?;
        }
        Ok(ledger)
    }

    /// Takes the next event, or says what is wrong with it.
    pub(crate) fn take(
        &mut self,
        sequence: u64,
        event: &Event,
        (id, objects, damaged): (&StudyId, &Objects, bool),
    ) -> Result<(), String> {
        self.fold(sequence, event, (id, damaged))?;
        self.names_what_is_stored(event, (id, objects))
    }

    fn fold(&mut self, sequence: u64, event: &Event, (id, damaged): (&StudyId, bool)) -> Result<(), String> {
        if sequence != self.length as u64 {
            return Err(format!("I3: event {sequence} of study {id} follows event {}", self.length));
        }
        self.length += 1;
        self.audit.take(event).map_err(|flaw| format!("I1-I8: study {id}: {flaw}"))?;
        match &mut self.study {
            Some(study) => study.apply(event),
            None => self.study = Some(Study::replay([event]).map_err(|error| error.to_string())?),
        }
        match event {
            Event::LeaseLost { trial, .. } => {
                let losses = self.losses.entry(*trial).or_default();
                *losses += 1;
                self.exhausted |= *losses >= MOST_LOSSES;
            }
            Event::Checkpointed { trial, .. } | Event::RungFinished { trial, .. } => {
                self.losses.remove(trial);
            }
            Event::AttemptFailed { reason, .. } if !is_deserved(reason, damaged) => {
                return Err(format!("study {id}: an attempt fails that nobody hurt: {reason}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// I9: what may still be asked for is there.
    pub(crate) fn lacks(&self, id: &StudyId, objects: &Objects) -> Option<String> {
        let study = self.study.as_ref().filter(|study| study.phase() != StudyPhase::Finished)?;
        let kept = |trial: &Trial| {
            let kept = study.kept(trial.number);
            kept.iter().flat_map(|kept| ObjectKey::of_checkpoint(id, trial.number, kept)).collect::<Vec<_>>()
        };
        let missing = study.trials().flat_map(kept).find(|key| !objects.holds(key))?;
        Some(format!("I9: study {id} may still ask for {missing:?}, which is gone"))
    }

    /// I9, I10: an event names only what is stored, whole.
    fn names_what_is_stored(&self, event: &Event, (id, objects): (&StudyId, &Objects)) -> Result<(), String> {
        let keys = match *event {
            Event::Checkpointed { trial, checkpoint, .. }
            | Event::RungFinished { trial, checkpoint, .. }
            | Event::Released { trial, checkpoint: Some(checkpoint), .. } => {
                ObjectKey::of_checkpoint(id, trial, &checkpoint).to_vec()
            }
            Event::Evaluated { trial, .. } => {
                let trial = self.study.as_ref().and_then(|study| study.trial(trial));
                let keys = |(number, evaluation): (TrialNumber, Evaluation)| {
                    ObjectKey::of_evaluation(id, number, &evaluation)
                };
                trial.and_then(|trial| Some((trial.number, trial.evaluation?))).map(keys).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        match keys.iter().find(|key| !objects.holds(key)) {
            Some(key) => Err(format!("I9: study {id} names {key:?}, which is not stored")),
            None => Ok(()),
        }
    }

    /// What is wrong with the state; I13: ends are for ever.
    pub(crate) fn flaws(&mut self) -> Vec<String> {
        let Some(study) = &self.study else { return Vec::new() };
        let mut flaws = study.violations();
        for trial in study.trials().filter(|trial| trial.state.is_final()) {
            let state = *self.ended.entry(trial.number).or_insert(trial.state);
            if state != trial.state {
                flaws.push(format!("I13: trial {} was {state}, and is {}", trial.number, trial.state));
            }
        }
        let again = |number: &TrialNumber| study.trial(*number).is_none_or(|trial| !trial.state.is_final());
        if let Some(number) = self.ended.keys().find(|number| again(number)) {
            flaws.push(format!("I13: trial {number} had ended, and goes on"));
        }
        flaws
    }
}

/// Whether a failed attempt is one that the drill has brought about.
fn is_deserved(reason: &str, damaged: bool) -> bool {
    let hurt = reason.starts_with("trainer ") || reason.contains("arrived damaged");
    hurt || damaged && reason.contains("not to be had")
}
