//! What happened to a study's trials between two looks, one line each.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    ids::TrialNumber,
    metrics::{Goal, Metric},
    trial::TrialState,
    view::TrialView,
};
use scheduler::Plan;

use super::super::text::{metric, plural};

/// Above so many results, single trials are left out: whole rungs and new best values are enough.
const MOST_LINES: u64 = 300;

/// What has been told of a study.
#[derive(Debug)]
pub(super) struct Events {
    plan: Plan,
    metric: Metric,
    goal: Goal,
    seen: BTreeMap<TrialNumber, Seen>,
    ended_rungs: BTreeSet<(u32, u32)>,
    /// The result that leads: the epochs of its rung, which come first, and its value.
    best: Option<(u32, f64)>,
}

/// What has been told of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    rung: u32,
    results: u32,
    failed: bool,
}

impl Seen {
    fn of(plan: &Plan, trial: &TrialView) -> Self {
        Self { rung: trial.rung, results: results(plan, trial), failed: trial.state == TrialState::Failed }
    }
}

/// Rungs that a trial has behind it, counted from the lowest: those of which it has a result, and the one that it failed on.
pub(super) fn results(plan: &Plan, trial: &TrialView) -> u32 {
    let is_over = match trial.state {
        TrialState::Pending | TrialState::Running => false,
        TrialState::Paused | TrialState::Completed | TrialState::Failed => true,
        // The end of a study stops trials on their way too: such a one has not trained to its rung's end.
        TrialState::Stopped => {
            trial.early_stopped || trial.epochs >= plan.rung_epochs(trial.bracket, trial.rung)
        }
    };
    trial.rung + u32::from(is_over)
}

impl Events {
    /// Nothing has been told yet.
    pub(super) fn new(plan: Plan, metric: Metric, goal: Goal) -> Self {
        Self { plan, metric, goal, seen: BTreeMap::new(), ended_rungs: BTreeSet::new(), best: None }
    }

    /// Takes trials as told already: a study that goes on begins with what is new.
    pub(super) fn skip(&mut self, trials: &[TrialView]) {
        self.lines(trials);
    }

    /// What is new about the trials.
    pub(super) fn lines(&mut self, trials: &[TrialView]) -> Vec<String> {
        let single = self.plan.evaluations() <= MOST_LINES;
        let mut lines = Vec::new();
        for trial in trials {
            let now = Seen::of(&self.plan, trial);
            let before = self.seen.insert(trial.trial, now);
            let before = before.unwrap_or(Seen { rung: 0, results: 0, failed: false });
            let leads = now.results > before.results && !now.failed && self.leads(trial, now.results - 1);
            if single || leads {
                lines.extend(self.line(trial, before, now, leads));
            }
        }
        lines.extend(self.rung_lines(trials));
        lines
    }

    /// One line on one trial, if there is news.
    fn line(&self, trial: &TrialView, before: Seen, now: Seen, leads: bool) -> Option<String> {
        let name = format!("trial {:<4} bracket {}", trial.trial, trial.bracket);
        if now.failed && !before.failed {
            let reason = trial.failure.as_deref().unwrap_or("its objective is not finite");
            return Some(format!("{name}  rung {}  failed: {reason}", trial.rung));
        }
        let promoted = || {
            let epochs = self.plan.rung_epochs(trial.bracket, now.rung);
            format!("promoted to rung {} ({})", now.rung, plural(epochs, "epoch"))
        };
        if now.results > before.results {
            let rung = now.results - 1;
            let mut line = format!("{name}  rung {rung}  {} {}", self.metric, metric(trial.value));
            if trial.early_stopped {
                line += &format!("  stopped early after {}", plural(trial.epochs, "epoch"));
            }
            if leads {
                // One of fewer epochs may have been higher: it does not compare.
                let epochs = self.plan.rung_epochs(trial.bracket, rung);
                line += &format!("  best so far, after {}", plural(epochs, "epoch"));
            }
            if now.rung > rung {
                line += &format!("  {}", promoted());
            }
            return Some(line);
        }
        (now.rung > before.rung).then(|| format!("{name}  {}", promoted()))
    }

    /// Whether a trial's result on a rung leads, as a study's best one does: among the results of the most epochs it is the
    /// best. It is the one to beat from now on.
    fn leads(&mut self, trial: &TrialView, rung: u32) -> bool {
        let Some(value) = trial.value else { return false };
        let epochs = self.plan.rung_epochs(trial.bracket, rung);
        let leads = self.best.is_none_or(|(most, best)| {
            epochs > most || epochs == most && self.goal.compare(value, best).is_lt()
        });
        if leads {
            self.best = Some((epochs, value));
        }
        leads
    }

    /// Rungs that have ended since the last look.
    fn rung_lines(&mut self, trials: &[TrialView]) -> Vec<String> {
        let mut lines = Vec::new();
        for (b, bracket) in self.plan.brackets().iter().enumerate() {
            for (r, rung) in bracket.rungs.iter().enumerate() {
                let place = (b as u32, r as u32);
                let with_result = trials
                    .iter()
                    .filter(|t| t.bracket == place.0 && results(&self.plan, t) > place.1)
                    .count();
                if with_result >= rung.configs as usize && self.ended_rungs.insert(place) {
                    let trials = plural(rung.configs, "trial");
                    lines.push(format!(
                        "bracket {b}  rung {r} has ended: {trials} at {}",
                        plural(rung.epochs, "epoch")
                    ));
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    fn events() -> Events {
        let text = "{name: x, model: formula, space: {x: {float: [0, 1]}}, scheduler: {kind: hyperband, max_epochs: 9}}";
        let plan = Plan::of(&common::study::StudySpec::from_yaml(text).unwrap());
        Events::new(plan, Metric::ValAccuracy, Goal::Maximize)
    }

    fn trial(number: u32, rung: u32, state: TrialState, value: f64) -> TrialView {
        TrialView { rung, state, value: Some(value), ..fixture::trial(number) }
    }

    #[test]
    fn a_trial_s_life_is_a_line_for_each_result_and_promotion() {
        let mut events = events();
        assert!(
            events.lines(&[TrialView { value: None, ..trial(3, 0, TrialState::Running, 0.0) }]).is_empty()
        );
        assert_eq!(
            events.lines(&[trial(3, 0, TrialState::Paused, 0.5)]),
            ["trial 3    bracket 0  rung 0  val_accuracy 0.5000  best so far, after 1 epoch"]
        );
        assert!(events.lines(&[trial(3, 0, TrialState::Paused, 0.5)]).is_empty());
        assert_eq!(
            events.lines(&[trial(3, 1, TrialState::Pending, 0.5)]),
            ["trial 3    bracket 0  promoted to rung 1 (3 epochs)"]
        );
        assert_eq!(
            events.lines(&[trial(3, 2, TrialState::Running, 0.4)]),
            [
                "trial 3    bracket 0  rung 1  val_accuracy 0.4000  best so far, after 3 epochs  promoted to rung 2 (9 epochs)"
            ]
        );
        // Of fewer epochs than the result that leads.
        assert_eq!(
            events.lines(&[trial(4, 0, TrialState::Paused, 0.9)]),
            ["trial 4    bracket 0  rung 0  val_accuracy 0.9000"]
        );
        let failed =
            TrialView { failure: Some("out of memory".to_owned()), ..trial(3, 2, TrialState::Failed, 0.4) };
        let lines = events.lines(&[failed]);
        assert_eq!(lines[0], "trial 3    bracket 0  rung 2  failed: out of memory");
        assert_eq!(lines[1], "bracket 0  rung 2 has ended: 1 trial at 9 epochs");
    }

    #[test]
    fn a_trial_that_a_study_s_end_stopped_on_its_way_has_no_result() {
        let mut events = events();
        events.skip(&[trial(3, 1, TrialState::Running, 0.5), trial(4, 0, TrialState::Running, 0.0)]);
        let stopped = |number, rung, epochs| {
            let value = if rung == 0 { None } else { Some(0.5) };
            TrialView { epochs, value, ..trial(number, rung, TrialState::Stopped, 0.0) }
        };
        assert!(events.lines(&[stopped(3, 1, 2), stopped(4, 0, 0)]).is_empty());
        assert_eq!(results(&events.plan, &stopped(3, 1, 3)), 2, "cut at its rung's end");
        let early = TrialView { early_stopped: true, ..stopped(3, 1, 2) };
        assert_eq!(results(&events.plan, &early), 2);
    }

    #[test]
    fn a_rung_s_end_is_told_once() {
        let mut events = events();
        let trials: Vec<_> = (0..9).map(|n| trial(n, 0, TrialState::Paused, 0.1)).collect();
        let lines = events.lines(&trials);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("bracket 0  rung 0 has ended: 9 trials at 1 epoch")
        );
        assert_eq!(lines.len(), 10);
        assert!(events.lines(&trials).is_empty());
    }

    #[test]
    fn what_is_known_already_is_not_told() {
        let mut events = events();
        events.skip(&[trial(3, 0, TrialState::Paused, 0.5)]);
        let lines =
            events.lines(&[trial(3, 0, TrialState::Paused, 0.5), trial(4, 0, TrialState::Paused, 0.4)]);
        assert_eq!(lines, ["trial 4    bracket 0  rung 0  val_accuracy 0.4000"]);
    }
}
