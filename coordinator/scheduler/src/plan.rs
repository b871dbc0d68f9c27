//! The plan: brackets, rungs and trial numbers, fixed before the first trial starts.

mod limits;

mod sizes;

use common::{
    ids::TrialNumber,
    study::{Hyperband, SchedulerSpec, StudySpec},
};
use serde::{Deserialize, Serialize};

use limits::Limits;
use sizes::Shape;

/// The brackets of a study, in the order of their trials' numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    brackets: Vec<BracketPlan>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cuts: Vec<PlanCut>,
}

/// One bracket: trials that start together and are halved from rung to rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BracketPlan {
    /// How often its trials are halved where nothing cut the plan.
    pub s: u32,
    /// Which run of all brackets it belongs to, from 0.
    pub iteration: u32,
    /// Its first trial's number; the others follow.
    pub first: TrialNumber,
    /// Its rungs, of which there is at least one; sizes never grow, epochs always do.
    pub rungs: Vec<RungPlan>,
}

/// One rung: how many trials reach it, and how far they train for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungPlan {
    /// Trials that reach it.
    pub configs: u32,
    /// Epochs that each of them has trained when it ends, in total.
    pub epochs: u32,
}

/// A bracket that has fewer trials than its schedule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCut {
    /// The bracket's `s`.
    pub s: u32,
    /// Which run of all brackets it belongs to, from 0.
    pub iteration: u32,
    /// Trials that the schedule asks for.
    pub planned: u32,
    /// Trials that are left; 0 where the bracket is left out.
    pub kept: u32,
    /// What limits them.
    pub reason: CutReason,
}

/// What limits a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutReason {
    /// The space has fewer points, or a grid fewer left. After a grid's last point the plan ends.
    Space,
    /// The study's `max_trials`, where the plan ends.
    MaxTrials,
    /// The study's `total_epochs`, where the plan ends.
    TotalEpochs,
    /// [`Plan::MOST_TRIALS`], where the plan ends.
    TooLarge,
}

impl Plan {
    /// Most trials of any plan: beyond it a plan is a slip of the pen, and would only fill memory.
    pub const MOST_TRIALS: u32 = 1 << 24;

    /// The plan of a study.
    pub fn of(spec: &StudySpec) -> Self {
        let limits = Limits::of(spec);
        match &spec.scheduler {
            SchedulerSpec::Hyperband(hyperband) => {
                limits.cut(sizes::hyperband(hyperband), hyperband.iterations)
            }
            SchedulerSpec::Fixed { epochs, trials, .. } => limits.cut(sizes::fixed(trials.len(), *epochs), 1),
        }
    }

    /// Hyperband's plan for a space without end.
    pub fn hyperband(hyperband: &Hyperband) -> Self {
        Limits::default().cut(sizes::hyperband(hyperband), hyperband.iterations)
    }

    /// The brackets, in the order of their trials' numbers.
    pub fn brackets(&self) -> &[BracketPlan] {
        &self.brackets
    }

    /// Brackets that have fewer trials than the schedule asks for.
    ///
    /// Where a limit ends the plan, the bracket it falls in is the last entry; those after it are left out unsaid.
    pub fn cuts(&self) -> &[PlanCut] {
        &self.cuts
    }

    /// Trials that start.
    pub fn configs(&self) -> u32 {
        self.brackets.last().map_or(0, |bracket| bracket.first.0 + bracket.configs())
    }

    /// Epochs that a trial has trained at the end of a rung, in total; 0 where there is no such rung.
    pub fn rung_epochs(&self, bracket: u32, rung: u32) -> u32 {
        let bracket = self.brackets.get(bracket as usize);
        bracket.and_then(|bracket| bracket.rungs.get(rung as usize)).map_or(0, |rung| rung.epochs)
    }

    /// Results: one for each trial and rung that it reaches.
    pub fn evaluations(&self) -> u64 {
        self.rungs().map(|rung| u64::from(rung.configs)).sum()
    }

    /// Epochs to train when a promoted trial goes on from where it was.
    pub fn epochs_resumed(&self) -> u64 {
        self.brackets.iter().map(BracketPlan::epochs_resumed).sum()
    }

    /// Epochs to train if every promoted trial began again.
    pub fn epochs_retrained(&self) -> u64 {
        self.rungs().map(|rung| u64::from(rung.configs) * u64::from(rung.epochs)).sum()
    }

    /// The bracket, by its place in [`Plan::brackets`], that a trial's number belongs to.
    pub fn bracket_of(&self, trial: TrialNumber) -> Option<usize> {
        let after = self.brackets.partition_point(|bracket| bracket.first <= trial);
        (trial.0 < self.configs()).then(|| after.saturating_sub(1))
    }

    fn rungs(&self) -> impl Iterator<Item = &RungPlan> {
        self.brackets.iter().flat_map(|bracket| &bracket.rungs)
    }
}

impl BracketPlan {
    /// Trials that start in it.
    pub fn configs(&self) -> u32 {
        self.rungs.first().map_or(0, |rung| rung.configs)
    }

    /// Epochs that its survivors have trained at its end.
    pub fn max_epochs(&self) -> u32 {
        self.rungs.last().map_or(0, |rung| rung.epochs)
    }

    /// Epochs to train when a promoted trial goes on from where it was.
    pub fn epochs_resumed(&self) -> u64 {
        let mut before = 0;
        let mut total = 0;
        for rung in &self.rungs {
            total += u64::from(rung.configs) * u64::from(rung.epochs - before);
            before = rung.epochs;
        }
        total
    }

    fn new(shape: &Shape, iteration: u32, first: u32, configs: u32) -> Self {
        Self { s: shape.s(), iteration, first: TrialNumber(first), rungs: shape.rungs(configs) }
    }
}

/// Whether configurations are taken from a finite list that is used up.
fn is_grid(spec: &StudySpec) -> bool {
    spec.sampler.is_grid()
}
