//! The bracket board: who was on which rung, who went on, and at what score the others were cut.

use std::{cmp::Ordering, collections::BTreeMap};

use common::{
    ids::TrialNumber,
    metrics::{Goal, Metric},
    trial::TrialState,
    view::TrialView,
};
use scheduler::{BracketPlan, Plan, RungPlan};
use serde::Serialize;

use super::Subject;

/// The results of every bracket, rung by rung.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Board {
    pub(super) metric: Metric,
    pub(super) brackets: Vec<BoardBracket>,
}

/// One bracket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BoardBracket {
    pub(super) bracket: usize,
    pub(super) s: u32,
    pub(super) iteration: u32,
    pub(super) rungs: Vec<BoardRung>,
}

/// One rung, its results best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BoardRung {
    pub(super) epochs: u32,
    pub(super) planned: u32,
    /// How many results went on to the next rung.
    pub(super) promoted: usize,
    /// The worst value that went on; none in a last rung, or where nothing has gone on.
    pub(super) cut_score: Option<f64>,
    pub(super) cells: Vec<Cell>,
}

/// One trial on one rung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Cell {
    pub(super) trial: TrialNumber,
    /// None where it is not finite, or the trial failed before it had one.
    pub(super) value: Option<f64>,
    pub(super) epochs: u32,
    pub(super) fate: Fate,
}

/// What became of a trial on a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// It went on to the next rung.
    Promoted,
    /// It finished the bracket's last rung.
    Completed,
    /// Nothing is decided yet.
    Waiting,
    /// It was stopped.
    Cut,
    /// It failed, or its value is not finite.
    Failed,
}

impl Fate {
    /// The fate's name in output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Completed => "completed",
            Self::Waiting => "waiting",
            Self::Cut => "cut",
            Self::Failed => "failed",
        }
    }
}

impl Board {
    /// The board of a subject's study.
    pub(super) fn new(subject: &Subject) -> Self {
        let (spec, goal) = (&subject.best.spec, subject.best.study.goal);
        let mut cells = cells(subject);
        let plan = Plan::of(spec);
        let bracket = |(index, bracket): (usize, &BracketPlan)| BoardBracket {
            bracket: index,
            s: bracket.s,
            iteration: bracket.iteration,
            rungs: (0..)
                .zip(&bracket.rungs)
                .map(|(rung, plan)| {
                    BoardRung::new(plan, cells.remove(&(index as u32, rung)).unwrap_or_default(), goal)
                })
                .collect(),
        };
        Self {
            metric: spec.objective.metric,
            brackets: plan.brackets().iter().enumerate().map(bracket).collect(),
        }
    }

    /// All values on the board.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        let rungs = self.brackets.iter().flat_map(|bracket| &bracket.rungs);
        rungs.flat_map(|rung| &rung.cells).filter_map(|cell| cell.value)
    }
}

impl BoardRung {
    /// How many trials have a value on it.
    pub(super) fn results(&self) -> usize {
        self.cells.iter().filter(|cell| cell.value.is_some()).count()
    }

    fn new(plan: &RungPlan, mut cells: Vec<Cell>, goal: Goal) -> Self {
        cells.sort_by(|a, b| order(a, b, goal));
        let promoted = cells.iter().filter(|cell| cell.fate == Fate::Promoted).count();
        let cut_score = cells[..promoted].last().and_then(|cell| cell.value);
        Self { epochs: plan.epochs, planned: plan.configs, promoted, cut_score, cells }
    }
}

/// Those that went on first, then by value.
fn order(a: &Cell, b: &Cell, goal: Goal) -> Ordering {
    let value = |cell: &Cell| cell.value.unwrap_or(f64::NAN);
    let went_on = |cell: &Cell| cell.fate != Fate::Promoted;
    went_on(a)
        .cmp(&went_on(b))
        .then_with(|| goal.compare(value(a), value(b)))
        .then_with(|| a.trial.cmp(&b.trial))
}

/// Every result, and every trial that failed without one, by bracket and rung.
fn cells(subject: &Subject) -> BTreeMap<(u32, u32), Vec<Cell>> {
    let trials: BTreeMap<TrialNumber, &TrialView> =
        subject.trials.iter().map(|trial| (trial.trial, trial)).collect();
    let mut cells: BTreeMap<(u32, u32), Vec<Cell>> = BTreeMap::new();
    let mut last: BTreeMap<TrialNumber, u32> = BTreeMap::new();
    for result in &subject.history.results {
        // A study that still runs may have gone on between two questions.
        let Some(trial) = trials.get(&result.trial) else { continue };
        last.insert(result.trial, result.rung);
        let value = Some(result.value).filter(|value| value.is_finite());
        let cell =
            Cell { trial: result.trial, value, epochs: result.epochs, fate: fate(trial, result.rung, value) };
        cells.entry((trial.bracket, result.rung)).or_default().push(cell);
    }
    for trial in &subject.trials {
        let measured = last.get(&trial.trial).is_some_and(|rung| *rung >= trial.rung);
        if trial.state == TrialState::Failed && !measured {
            let cell = Cell { trial: trial.trial, value: None, epochs: trial.epochs, fate: Fate::Failed };
            cells.entry((trial.bracket, trial.rung)).or_default().push(cell);
        }
    }
    cells
}

fn fate(trial: &TrialView, rung: u32, value: Option<f64>) -> Fate {
    match trial.state {
        _ if value.is_none() => Fate::Failed,
        _ if trial.rung > rung => Fate::Promoted,
        TrialState::Stopped => Fate::Cut,
        TrialState::Completed => Fate::Completed,
        TrialState::Failed => Fate::Failed,
        TrialState::Pending | TrialState::Running | TrialState::Paused => Fate::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn each_rung_lists_its_results_and_where_it_was_cut() {
        let board = Board::new(&fixture::subject());
        let shape: Vec<Vec<_>> = board
            .brackets
            .iter()
            .map(|b| b.rungs.iter().map(|r| (r.epochs, r.planned, r.cells.len(), r.promoted)).collect())
            .collect();
        assert_eq!(
            shape,
            [
                vec![(1, 9, 9, 3), (3, 3, 3, 1), (9, 1, 1, 0)],
                vec![(3, 5, 0, 0), (9, 1, 0, 0)],
                vec![(9, 3, 0, 0)]
            ]
        );
        let first = &board.brackets[0].rungs[0];
        assert_eq!(first.cut_score, Some(0.76));
        let fates: Vec<_> = first.cells.iter().map(|cell| (cell.trial.0, cell.fate)).collect();
        assert_eq!(
            fates[..4],
            [(8, Fate::Promoted), (7, Fate::Promoted), (6, Fate::Promoted), (5, Fate::Cut)]
        );
        assert_eq!(fates[8], (0, Fate::Failed), "a value that is not finite comes last");
        assert_eq!(first.cells[8].value, None);
    }
}
