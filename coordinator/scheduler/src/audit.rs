//! An independent check of a stored log: every event must be justified by those before it.
//!
//! It shares the plan and the order of results with the scheduler, and nothing else: where the scheduler keeps counts
//! and ordered sets, this keeps plain lists and counts again.

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

/// What is wrong with a log, in words, each with its event's place; nothing, unless there is a defect.
pub fn audit<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    let mut events = events.into_iter().enumerate();
    let Some((_, Event::Created { version, spec, plan, .. })) = events.next() else {
        return vec!["the log does not begin with the study's creation".to_owned()];
    };
    if *version > LOG_VERSION {
        return vec![format!("the log has version {version}")];
    }
    let plan = plan.as_deref().cloned().unwrap_or_else(|| Plan::of(spec));
    let barrier = match &spec.scheduler {
        SchedulerSpec::Hyperband(hyperband) => hyperband.mode == PromotionMode::Barrier,
        SchedulerSpec::Fixed { .. } => false,
    };
    let mut log = Log {
        rungs: plan.brackets().iter().map(|b| vec![RungLog::default(); b.rungs.len()]).collect(),
        draws_end: plan.configs(),
        plan,
        goal: spec.objective.goal(),
        barrier,
        every: spec.evaluate == Evaluate::All,
        adopted: spec.is_adopted(),
        trials: Vec::new(),
        epochs: 0,
        paused: false,
        ended: false,
        reached: None,
        finished: false,
    };
    events
        .filter_map(|(index, event)| log.take(event).err().map(|flaw| format!("event {index}: {flaw}")))
        .collect()
}

/// What the log has said so far.
struct Log {
    plan: Plan,
    goal: Goal,
    barrier: bool,
    /// Whether every completed trial is measured, and not the best alone.
    every: bool,
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
}

/// What the log has said about a trial.
#[derive(Default)]
struct TrialLog {
    bracket: usize,
    rung: usize,
    attempts: u32,
    /// The lease that is out, and whether it is to train.
    lease: Option<(Attempt, bool)>,
    durable: Option<Checkpoint>,
    /// What the last lease to train went on from, and to.
    resumed: Option<Checkpoint>,
    to_epoch: u32,
    charged: u32,
    failures: u32,
    losses: u32,
    early_stopped: bool,
    /// Whether it has ended.
    last: bool,
    /// Whether it ended at its bracket's end.
    completed: bool,
    evaluation: EvaluationLog,
}

/// What the log has said about a trial's evaluation.
#[derive(Default)]
struct EvaluationLog {
    done: bool,
    failures: u32,
    losses: u32,
}

/// What the log has said about a rung.
#[derive(Clone, Default)]
struct RungLog {
    results: Vec<Standing>,
    failed: u32,
    promoted: BTreeSet<TrialNumber>,
}

impl Log {
    /// Takes an event, or says what is wrong with it.
    fn take(&mut self, event: &Event) -> Result<(), String> {
        must(!self.finished, "the study has finished before")?;
        match *event {
            Event::Created { .. } => Err("the study is created twice".to_owned()),
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

    fn drawn(&mut self, trial: TrialNumber) -> Result<(), String> {
        must(
            trial.0 == self.trials.len() as u32 && trial.0 < self.draws_end,
            "trials are drawn out of order",
        )?;
        let bracket = self.plan.bracket_of(trial).ok_or("the plan has no such trial")?;
        self.trials.push(TrialLog { bracket, ..TrialLog::default() });
        Ok(())
    }

    fn trial(&mut self, number: TrialNumber) -> Result<&mut TrialLog, String> {
        self.trials.get_mut(number.0 as usize).ok_or_else(|| format!("trial {number} was not drawn"))
    }

    /// The rung that a trial is on.
    fn rung(&mut self, number: TrialNumber) -> Result<&mut RungLog, String> {
        let TrialLog { bracket, rung, .. } = *self.trial(number)?;
        Ok(&mut self.rungs[bracket][rung])
    }
}

fn must(holds: bool, flaw: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(flaw.to_owned()) }
}
