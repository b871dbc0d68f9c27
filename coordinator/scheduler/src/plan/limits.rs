//! What cuts a plan before the start: the space, `max_trials` and `total_epochs`.

use common::study::{SchedulerSpec, StudySpec};

use super::{BracketPlan, CutReason, Plan, PlanCut, is_grid, sizes::Shape};

/// Limits of a plan; what is left of them while brackets are added.
#[derive(Debug)]
pub(super) struct Limits {
    /// Distinct configurations of the space.
    points: Option<u128>,
    /// Whether a configuration is used once in a study, instead of once in a pass.
    once: bool,
    /// Trials that may still start.
    trials: u32,
    /// Whether `max_trials` says so, and not [`Plan::MOST_TRIALS`].
    asked: bool,
    /// Epochs that may still be trained.
    epochs: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { points: None, once: false, trials: Plan::MOST_TRIALS, asked: false, epochs: None }
    }
}

impl Limits {
    /// The limits of a study.
    pub(super) fn of(spec: &StudySpec) -> Self {
        let points = match spec.scheduler {
            SchedulerSpec::Hyperband(_) => spec.space.points(),
            SchedulerSpec::Fixed { .. } => None,
        };
        let most = spec.budget.max_trials.filter(|most| *most < Plan::MOST_TRIALS);
        Self {
            points,
            once: is_grid(spec),
            trials: most.unwrap_or(Plan::MOST_TRIALS),
            asked: most.is_some(),
            epochs: spec.budget.total_epochs,
        }
    }

    /// The plan of some brackets, run as often as asked.
    pub(super) fn cut(mut self, shapes: Vec<Shape>, iterations: u32) -> Plan {
        let mut plan = Plan::default();
        for iteration in 0..iterations {
            for shape in &shapes {
                let (configs, reason) = self.allow(shape);
                if let Some(reason) = reason {
                    let (s, planned) = (shape.s(), shape.configs);
                    plan.cuts.push(PlanCut { s, iteration, planned, kept: configs, reason });
                }
                if configs > 0 {
                    let bracket = BracketPlan::new(shape, iteration, plan.configs(), configs);
                    self.spend(&bracket);
                    plan.brackets.push(bracket);
                }
                // A space with fewer points than a bracket wants still serves the next one, in a new pass.
                if configs == 0 || reason.is_some_and(|reason| reason != CutReason::Space || self.once) {
                    return plan;
                }
            }
        }
        plan
    }

    /// How many trials of a bracket may start, and what keeps the others from it.
    fn allow(&self, shape: &Shape) -> (u32, Option<CutReason>) {
        let mut allowed = (shape.configs, None);
        let mut limit = |most: u32, reason| {
            if most < allowed.0 {
                allowed = (most, Some(reason));
            }
        };
        if let Some(points) = self.points {
            limit(u32::try_from(points).unwrap_or(u32::MAX), CutReason::Space);
        }
        limit(self.trials, if self.asked { CutReason::MaxTrials } else { CutReason::TooLarge });
        if let Some(epochs) = self.epochs {
            limit(affordable(shape, epochs), CutReason::TotalEpochs);
        }
        allowed
    }

    /// Takes a bracket off what is left.
    fn spend(&mut self, bracket: &BracketPlan) {
        self.trials -= bracket.configs();
        if self.once {
            self.points = self.points.map(|points| points.saturating_sub(u128::from(bracket.configs())));
        }
        self.epochs = self.epochs.map(|epochs| epochs.saturating_sub(bracket.epochs_resumed()));
    }
}

/// The most trials with which a bracket costs no more than so many epochs.
fn affordable(shape: &Shape, epochs: u64) -> u32 {
    let cost = |configs| BracketPlan::new(shape, 0, 0, configs).epochs_resumed();
    // The cost never falls when a trial is added, so the last affordable number is found by bisection.
    let (mut most, mut beyond) = (0, shape.configs.min(Plan::MOST_TRIALS) + 1);
    while beyond - most > 1 {
        let middle = most + (beyond - most) / 2;
        if cost(middle) <= epochs { most = middle } else { beyond = middle }
    }
    most
}
