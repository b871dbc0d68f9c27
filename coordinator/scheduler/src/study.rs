//! A study: the fold of its events, and what may happen to it next.

mod apply;

mod consequences;

mod decide;

mod adoption;

mod evaluation;

mod grants;

mod leases;

mod reading;

mod replay;

mod reports;

mod results;

mod violations;

pub use replay::ReplayError;

use std::collections::{BTreeMap, BTreeSet};

use common::{
    checkpoint::Checkpoint,
    ids::{Attempt, TrialNumber, WorkerId},
    metrics::Goal,
    study::{PromotionMode, SchedulerSpec, StudySpec},
    time::Timestamp,
    trial::TrialState,
    view::EndReason,
};

use crate::{
    active_clock::ActiveClock,
    bracket::Bracket,
    event::{Event, LOG_VERSION},
    input::{Input, Refusal},
    lease::Lease,
    plan::Plan,
    queue::Queue,
    rank::Standing,
    sampler::Drawn,
    trial::Trial,
};

/// A study's state.
///
/// It has four kinds of method: those that read; [`Study::decide`] and [`Study::consequences`], which say what
/// follows and change nothing; [`Study::apply`], which takes an event; and [`Study::step`], which does all of it for
/// one input. Time and memory of an event depend on the leases and brackets it touches, never on the log's length.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    spec: StudySpec,
    plan: Plan,
    goal: Goal,
    created: Timestamp,
    /// Trials that have started; a trial's number is its index.
    trials: Vec<Trial>,
    /// How many trials are in each state, in the order of [`TrialState::ALL`].
    states: [u32; TrialState::ALL.len()],
    drawn: Drawn,
    /// No trial from this number on ever starts.
    trials_end: u32,
    brackets: Vec<Bracket>,
    /// Attempts up to this one were given by a store that this one was restored behind.
    attempt_floor: Attempt,
    /// Brackets in which something is certain that has not happened yet.
    unsettled: BTreeSet<u32>,
    /// Brackets that have not ended.
    open: usize,
    leases: BTreeMap<TrialNumber, Lease>,
    /// Workers on which an attempt has failed, of whatever trial.
    failed_on: BTreeSet<WorkerId>,
    queue: Queue,
    best: Option<Best>,
    /// Epochs trained by results that count.
    epochs: u64,
    /// Epochs that trials in training have beyond their last results.
    ahead: u64,
    clock: ActiveClock,
    paused: bool,
    /// The first result that reached the target.
    target_reached: Option<Best>,
    ended: Option<EndReason>,
    /// Completed trials that wait to be measured, where every one is to be.
    to_be_evaluated: BTreeSet<TrialNumber>,
    /// How often a checkpoint was measured on the test part.
    test_touches: u32,
    finished: Option<Ending>,
}

/// The result that leads a study: the best one among the results of the most epochs, or the one that ended the study by
/// reaching its target.
///
/// It stands whatever becomes of its trial afterwards, so its checkpoint must be kept as long as it leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// The trial.
    pub trial: TrialNumber,
    /// The rung of the result, in the trial's bracket.
    pub rung: u32,
    /// Epochs trained when it was measured.
    pub epochs: u32,
    /// The objective's value.
    pub value: f64,
    /// Validation loss beside it.
    pub val_loss: f64,
    /// The state that was measured.
    pub checkpoint: Checkpoint,
    /// Epochs of the rung: results are compared at the highest only.
    rung_epochs: u32,
    standing: Standing,
}

/// How a study ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ending {
    complete: bool,
    at: Timestamp,
}

impl Study {
    /// The events that begin a study: its creation, its trials where the parent has trained them, and its end too
    /// where the plan is empty.
    pub fn create(spec: StudySpec, at: Timestamp) -> Vec<Event> {
        let plan = Plan::of(&spec);
        let mut study = Self::new(spec.clone(), plan.clone(), at);
        let plan = Some(Box::new(plan));
        let mut events = vec![Event::Created { version: LOG_VERSION, spec: Box::new(spec), plan, at }];
        let adopted = study.adopted();
        adopted.iter().for_each(|event| study.apply(event));
        events.extend(adopted);
        events.extend(study.settle(at));
        events
    }

    /// Decides an input, applies what it says and all that follows from it, and returns these events in order.
    ///
    /// A refused input changes nothing.
    pub fn step(&mut self, now: Timestamp, input: &Input) -> Result<Vec<Event>, Refusal> {
        let mut events = self.decide(now, input)?;
        events.iter().for_each(|event| self.apply(event));
        events.extend(self.settle(now));
        // The end of draws may promote trials that the same worker can train. It comes once in a study.
        let ended = events.iter().any(|event| matches!(event, Event::DrawsEnded { .. }));
        if let Input::Lease { worker, most, others } = input
            && ended
        {
            let granted = events.iter().filter(|event| matches!(event, Event::Granted { .. })).count() as u32;
            let (worker, others) = (worker.clone(), others.clone());
            let rest = Input::Lease { worker, most: most.saturating_sub(granted), others };
            events.extend(self.step(now, &rest)?);
        }
        Ok(events)
    }

    /// Applies consequences until there are none, and returns them.
    fn settle(&mut self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let next = self.consequences(now);
            if next.is_empty() {
                return events;
            }
            next.iter().for_each(|event| self.apply(event));
            events.extend(next);
        }
    }

    /// A study before its first trial.
    fn new(spec: StudySpec, plan: Plan, created: Timestamp) -> Self {
        let mode = match &spec.scheduler {
            SchedulerSpec::Hyperband(hyperband) => hyperband.mode,
            SchedulerSpec::Fixed { .. } => PromotionMode::default(),
        };
        let brackets: Vec<_> = plan.brackets().iter().map(|bracket| Bracket::new(bracket, mode)).collect();
        Self {
            goal: spec.objective.goal(),
            created,
            trials: Vec::new(),
            states: Default::default(),
            drawn: Drawn::default(),
            trials_end: plan.configs(),
            attempt_floor: Attempt(0),
            unsettled: BTreeSet::new(),
            open: brackets.len(),
            brackets,
            leases: BTreeMap::new(),
            failed_on: BTreeSet::new(),
            queue: Queue::default(),
            best: None,
            epochs: 0,
            ahead: 0,
            clock: ActiveClock::new(spec.budget.max_time),
            paused: false,
            target_reached: None,
            ended: None,
            to_be_evaluated: BTreeSet::new(),
            test_touches: 0,
            finished: None,
            plan,
            spec,
        }
    }
}
