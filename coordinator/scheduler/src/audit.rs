//! An independent check of a stored log: every event must be justified by those before it.
//!
//! It shares the plan and the order of results with the scheduler, and nothing else: where the scheduler keeps counts
//! and ordered sets, this keeps plain lists and counts again.

mod flaw;
pub use flaw::{Flaw, Invariant};

mod ends;

mod evaluations;

mod leases;

mod promotions;

use std::collections::BTreeSet;

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, TrialNumber},
    metrics::Goal,
    study::{Evaluate, PromotionMode, SchedulerSpec},
};

use crate::{
    event::{Event, LOG_VERSION},
    plan::Plan,
    rank::Standing,
};
use flaw::Wrong;

/// What is wrong with a log, in words, each with its event's place; nothing, unless there is a defect.
pub fn audit<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    flaws(events).iter().map(Flaw::to_string).collect()
}

/// What is wrong with a log; nothing, unless there is a defect.
pub fn flaws<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Flaw> {
    let mut audit = Audit::default();
    let mut flaws: Vec<Flaw> = events.into_iter().filter_map(|event| audit.take(event).err()).collect();
    if audit.taken == 0 {
        flaws.push(Flaw::of_log(NO_BEGINNING));
    }
    flaws
}

const NO_BEGINNING: &str = "the log does not begin with the study's creation";

/// The check of a log that grows: it takes one event at a time.
#[derive(Debug, Default)]
pub struct Audit {
    /// None before the study's creation.
    log: Option<Log>,
    taken: usize,
}

impl Audit {
    /// Takes the next event, or says what is wrong with it, with its place in the log.
    pub fn take(&mut self, event: &Event) -> Result<(), Flaw> {
        let index = self.taken;
        self.taken += 1;
        match &mut self.log {
            Some(log) => log.take(event).map_err(|wrong| wrong.at(index, event)),
            None if index == 0 => Log::begin(event).map(|log| self.log = Some(log)),
            // A log without a beginning was complained of once.
            None => Ok(()),
        }
    }
}

/// What the log has said so far.
#[derive(Debug)]
struct Log {
    plan: Plan,
    goal: Goal,
    barrier: bool,
    /// Whether every completed trial is measured, and not the best alone.
    evaluates_all: bool,
    /// Whether the parent study has trained the trials.
    adopted: bool,
    trials: Vec<TrialLog>,
    /// By bracket and rung.
    rungs: Vec<Vec<RungLog>>,
    draws_end: u32,
    epochs: u64,
    paused: bool,
    ended: bool,
    /// The trial that ended training by reaching the target.
    reached: Option<TrialNumber>,
    finished: bool,
    /// No attempt up to this one may follow.
    floor: u64,
}

/// What the log has said about a trial.
#[derive(Debug, Default)]
struct TrialLog {
    bracket: usize,
    rung: usize,
    last_attempt: Attempt,
    /// The lease that is out, and whether it is to train.
    lease: Option<(Attempt, bool)>,
    durable: Option<Checkpoint>,
    /// The one before, which stands in for a damaged one.
    previous: Option<Checkpoint>,
    /// What the last lease to train went on from, and to.
    resumed: Option<Checkpoint>,
    to_epoch: u32,
    charged: u32,
    failures: u32,
    losses: u32,
    early_stopped: bool,
    /// Whether it has ended.
    ended: bool,
    /// Whether it ended at its bracket's end.
    completed: bool,
    evaluation: EvaluationLog,
}

/// What the log has said about a trial's evaluation.
#[derive(Debug, Default)]
struct EvaluationLog {
    done: bool,
    failures: u32,
    losses: u32,
}

/// What the log has said about a rung.
#[derive(Debug, Clone, Default)]
struct RungLog {
    results: Vec<Standing>,
    failed: u32,
    promoted: BTreeSet<TrialNumber>,
}

impl Log {
    /// The log's first event.
    fn begin(event: &Event) -> Result<Self, Flaw> {
        let Event::Created { version, spec, plan, .. } = event else {
            return Err(Flaw::of_log(NO_BEGINNING));
        };
        if *version > LOG_VERSION {
            return Err(Flaw::of_log(format!("the log has version {version}")));
        }
        let plan = plan.as_deref().cloned().unwrap_or_else(|| Plan::of(spec));
        let barrier = match &spec.scheduler {
            SchedulerSpec::Hyperband(hyperband) => hyperband.mode == PromotionMode::Barrier,
            SchedulerSpec::Fixed { .. } => false,
        };
        Ok(Self {
            rungs: plan.brackets().iter().map(|b| vec![RungLog::default(); b.rungs.len()]).collect(),
            draws_end: plan.configs(),
            plan,
            goal: spec.objective.goal(),
            barrier,
            evaluates_all: spec.evaluate == Evaluate::All,
            adopted: spec.is_adopted(),
            trials: Vec::new(),
            epochs: 0,
            paused: false,
            ended: false,
            reached: None,
            finished: false,
            floor: 0,
        })
    }

    /// Takes an event, or says what is wrong with it.
    fn take(&mut self, event: &Event) -> Result<(), Wrong> {
        keep(Invariant::FinalStates, !self.finished, "the study has finished before")?;
        match *event {
            Event::Created { .. } => Err("the study is created twice".into()),
            Event::Drawn { trial, .. } => self.drawn(trial),
            Event::Adopted { trial, value, checkpoint } => self.adopted(trial, value.0, checkpoint),
            Event::DrawsEnded { from } => {
                must(from.0 == self.trials.len() as u32, "draws end elsewhere than they are")?;
                self.draws_end = from.0;
                Ok(())
            }
            Event::Paused { .. } | Event::Resumed { .. } => {
                self.paused = matches!(event, Event::Paused { .. });
                Ok(())
            }
            Event::Ticked { .. } => Ok(()),
            Event::Restored { floor, .. } => {
                self.floor = floor;
                Ok(())
            }
            Event::BudgetEnded { reached, .. } => {
                must(!self.ended, "training ends twice")?;
                self.reached = reached;
                (self.ended, self.paused) = (true, false);
                self.trials.iter_mut().for_each(|trial| trial.lease = None);
                Ok(())
            }
            Event::Promoted { trial, to_rung } => self.promoted(trial, to_rung as usize),
            Event::Cut { trial } => self.cut(trial),
            Event::Completed { trial } => self.completed(trial),
            Event::TrialFailed { trial, .. } => self.trial_failed(trial),
            Event::Finished { complete, best, .. } => self.study_finished(complete, best),
            _ => self.leased(event),
        }
    }

    fn drawn(&mut self, trial: TrialNumber) -> Result<(), Wrong> {
        must(
            trial.0 == self.trials.len() as u32 && trial.0 < self.draws_end,
            "trials are drawn out of order",
        )?;
        let bracket = self.plan.bracket_of(trial).ok_or("the plan has no such trial")?;
        self.trials.push(TrialLog { bracket, ..TrialLog::default() });
        Ok(())
    }

    fn trial(&mut self, number: TrialNumber) -> Result<&mut TrialLog, Wrong> {
        self.trials.get_mut(number.0 as usize).ok_or_else(|| format!("trial {number} was not drawn").into())
    }

    /// The rung that a trial is on.
    fn rung(&mut self, number: TrialNumber) -> Result<&mut RungLog, Wrong> {
        let TrialLog { bracket, rung, .. } = *self.trial(number)?;
        Ok(&mut self.rungs[bracket][rung])
    }
}

impl TrialLog {
    /// Takes a durable checkpoint.
    fn store(&mut self, checkpoint: Checkpoint) {
        if let Some(before) = self.durable.replace(checkpoint).filter(|before| *before != checkpoint) {
            self.previous = Some(before);
        }
        self.losses = 0;
    }
}

/// A log must be such that replay and decisions agree with it.
fn must(holds: bool, flaw: &str) -> Result<(), Wrong> {
    keep(Invariant::Fold, holds, flaw)
}

/// An invariant must be kept.
fn keep(invariant: Invariant, holds: bool, flaw: &str) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong { invariant, what: flaw.to_owned() }) }
}
