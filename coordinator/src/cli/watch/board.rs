//! The bracket board: how far a study is, what leads, and how many trials each rung has, of how many.

use std::time::Duration;

use common::{
    trial::TrialState,
    view::{StudyPhase, StudyView, TrialView},
};
use scheduler::{BracketPlan, Plan, RungPlan};

use super::{
    super::{
        output::bad,
        text::{count, metric, plural, span},
    },
    events::results,
};

/// Share of the plan that must be done, and time that must have passed, before the rest is estimated.
const TELLING: (f64, Duration) = (0.1, Duration::from_secs(10));

/// Above so many brackets, those that have ended share one line: what is being trained would leave a terminal otherwise.
const MOST_BRACKETS: usize = 16;

/// Results of each rung of each bracket; a trial that failed on a rung counts there.
#[derive(Debug)]
pub(super) struct Board {
    plan: Plan,
    results: Vec<Vec<u32>>,
}

/// A bracket's line.
#[derive(Debug)]
struct Row {
    text: String,
    /// Whether a trial of it has a result.
    begun: bool,
    /// Whether all have all.
    ended: bool,
}

/// How fast a study gets on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Epochs that were done when watching began.
    pub(super) epochs_before: u64,
    /// How long it has been watched.
    pub(super) watched: Duration,
}

impl Board {
    /// An empty board.
    pub(super) fn new(plan: Plan) -> Self {
        let results = plan.brackets().iter().map(|bracket| vec![0; bracket.rungs.len()]).collect();
        Self { plan, results }
    }

    /// Counts results.
    pub(super) fn fill(&mut self, trials: &[TrialView]) {
        self.results.iter_mut().flatten().for_each(|results| *results = 0);
        for trial in trials {
            let Some(bracket) = self.results.get_mut(trial.bracket as usize) else { continue };
            bracket.iter_mut().take(results(&self.plan, trial) as usize).for_each(|results| *results += 1);
        }
    }

    /// The whole board as text: a line on the study, one on what leads, one for each bracket.
    pub(super) fn whole(&self, study: &StudyView, pace: Pace) -> String {
        let brackets = self.rows().into_iter().map(|row| row.text);
        above(study, pace).chain(brackets).collect::<Vec<_>>().join("\n")
    }

    /// The board as a terminal has room for it: of many brackets those that have not ended.
    pub(super) fn live(&self, study: &StudyView, pace: Pace) -> String {
        let brackets = fold(self.rows());
        above(study, pace).chain(brackets).collect::<Vec<_>>().join("\n")
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(index, (bracket, results)): (usize, (&BracketPlan, &Vec<u32>))| {
            let rungs = || bracket.rungs.iter().zip(results);
            let cell = |(rung, results): (&RungPlan, &u32)| {
                format!("{:>8} @{:<3}", format!("{results}/{}", rung.configs), rung.epochs)
            };
            let cells: String = rungs().map(cell).collect();
            Row {
                text: format!("  bracket {index:<2}{}", cells.trim_end()),
                begun: results.iter().any(|results| *results > 0),
                ended: rungs().all(|(rung, results)| *results >= rung.configs),
            }
        };
        self.plan.brackets().iter().zip(&self.results).enumerate().map(row).collect()
    }
}

/// The lines above the brackets: where rows are short, those below are what a terminal leaves out.
fn above(study: &StudyView, pace: Pace) -> impl Iterator<Item = String> {
    let best = study.best.map(|best| {
        let epochs = plural(best.epochs, "epoch");
        format!("  best  {} {}  trial {} after {epochs}", study.metric, metric(Some(best.value)), best.trial)
    });
    [head(study, pace)].into_iter().chain(best)
}

/// The lines on brackets, of which many are folded: those that have ended, and what else there is no room for.
fn fold(rows: Vec<Row>) -> Vec<String> {
    if rows.len() <= MOST_BRACKETS {
        return rows.into_iter().map(|row| row.text).collect();
    }
    let (ended, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.ended);
    // What is being trained takes precedence over what has not begun; both stay in their order.
    let (begun, waiting): (Vec<_>, Vec<_>) = others.into_iter().partition(|row| row.begun);
    let mut lines: Vec<_> = begun.into_iter().chain(waiting).map(|row| row.text).collect();
    let more = lines.len().saturating_sub(MOST_BRACKETS);
    lines.truncate(MOST_BRACKETS);
    let said =
        [(ended.len(), "ended"), (more, "not shown")].into_iter().filter(|(brackets, _)| *brackets > 0);
    let said: Vec<_> =
        said.map(|(brackets, what)| format!("{} {what}", plural(brackets as u64, "bracket"))).collect();
    if !said.is_empty() {
        lines.push(format!("  {}", said.join(", ")));
    }
    lines
}

/// The line on the study: how far it is, how many trials failed, how fast, and how long the rest may take once enough is known.
pub(super) fn head(study: &StudyView, pace: Pace) -> String {
    let mut parts = vec![
        format!("{} {}", study.name, study.phase),
        format!("{} of {} epochs", count(study.epochs), count(study.planned_epochs)),
    ];
    let failed = study.count(TrialState::Failed);
    if failed > 0 {
        parts.push(bad(&format!("{} failed", count(failed))));
    }
    let gained = study.epochs.saturating_sub(pace.epochs_before) as f64;
    let seconds = pace.watched.as_secs_f64();
    if gained > 0.0 && seconds > 1.0 {
        parts.push(speed(gained / seconds));
    }
    // Early on the few epochs done say little about the rest, so nothing is promised.
    let told = gained >= TELLING.0 * study.planned_epochs as f64 && pace.watched >= TELLING.1;
    if told && study.phase == StudyPhase::Running {
        let left = study.planned_epochs.saturating_sub(study.epochs) as f64 * seconds / gained;
        parts.push(format!("about {} left", span(Duration::from_secs_f64(left.clamp(0.0, 1e9)))));
    }
    if study.phase != StudyPhase::Finished {
        // More than there are slots: workers take a lease ahead, and have one while they store its result.
        parts.push(plural(study.leases, "trial") + " with workers");
    }
    parts.join("  ")
}

/// Epochs per second, or per a longer time where that is less than one.
fn speed(per_second: f64) -> String {
    let [minute, hour] = [60.0, 3600.0];
    match per_second {
        _ if per_second >= 1.0 => format!("{per_second:.1} epochs/s"),
        _ if per_second * minute >= 1.0 => format!("{:.1} epochs/min", per_second * minute),
        _ => format!("{:.1} epochs/h", per_second * hour),
    }
}

#[cfg(test)]
mod tests {
    use common::trial::TrialState;

    use super::*;
    use crate::cli::fixture;

    fn board() -> Board {
        let text = "{name: x, model: formula, space: {x: {float: [0, 1]}}, scheduler: {kind: hyperband, max_epochs: 9}}";
        Board::new(Plan::of(&common::study::StudySpec::from_yaml(text).unwrap()))
    }

    #[test]
    fn a_result_counts_on_its_rung_and_all_below() {
        let mut board = board();
        let trial = |number, rung, state| TrialView { rung, state, ..fixture::trial(number) };
        board.fill(&[
            trial(0, 2, TrialState::Completed),
            trial(1, 1, TrialState::Running),
            trial(2, 0, TrialState::Paused),
            trial(3, 0, TrialState::Running),
            TrialView { bracket: 7, ..fixture::trial(4) },
        ]);
        assert_eq!(board.results, [vec![3, 1, 1], vec![0, 0], vec![0]]);
        let pace = Pace { epochs_before: 0, watched: Duration::from_secs(23) };
        let text = board.live(&fixture::study(), pace);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "fashion-mlp finished  69 of 69 epochs  3.0 epochs/s");
        assert_eq!(lines[1], "  best  val_accuracy 0.8750  trial 3 after 9 epochs");
        assert_eq!(lines[2], "  bracket 0      3/9 @1       1/3 @3       1/1 @9");
        assert_eq!((lines.len(), text), (5, board.whole(&fixture::study(), pace)));
    }

    #[test]
    fn many_brackets_leave_room_for_those_that_are_trained() {
        let row = |index: usize, begun, ended| Row { text: index.to_string(), begun, ended };
        let rows = |ended: usize, all: usize| (0..all).map(|i| row(i, i <= ended, i < ended)).collect();
        assert_eq!(fold(rows(15, 16)).len(), 16, "there is room for all");
        let lines = fold(rows(23, 36));
        assert_eq!((lines.len(), lines[0].as_str(), lines[12].as_str()), (14, "23", "35"));
        assert_eq!(lines[13], "  23 brackets ended");
        // One that has begun is shown, however late it comes.
        let mut late: Vec<_> = rows(0, 36);
        late[35].begun = true;
        let lines = fold(late);
        assert_eq!([&lines[0], &lines[1], &lines[2]], ["0", "35", "1"]);
        assert_eq!((lines.len(), lines[16].as_str()), (17, "  20 brackets not shown"));
        assert_eq!(fold(rows(36, 36)), ["  36 brackets ended"]);
    }

    #[test]
    fn trials_that_failed_are_named_beside_the_epochs() {
        let pace = Pace { epochs_before: 0, watched: Duration::from_secs(1) };
        let study = StudyView { states: [0, 0, 0, 11, 3, 3], ..fixture::study() };
        assert!(head(&study, pace).contains("3 failed"), "{}", head(&study, pace));
        assert!(!head(&fixture::study(), pace).contains("failed"));
    }

    #[test]
    fn slow_epochs_are_counted_by_the_minute_and_by_the_hour() {
        assert_eq!(speed(1.0), "1.0 epochs/s");
        assert_eq!(speed(0.02), "1.2 epochs/min");
        assert_eq!(speed(0.001), "3.6 epochs/h");
    }

    #[test]
    fn leases_are_not_called_training() {
        let pace = Pace { epochs_before: 0, watched: Duration::from_secs(1) };
        let said = |phase| head(&StudyView { phase, leases: 3, ..fixture::study() }, pace);
        let running = said(StudyPhase::Running);
        assert!(running.ends_with("  3 trials with workers"), "{running}");
        assert!(!said(StudyPhase::Finished).contains("with workers"));
    }

    #[test]
    fn the_rest_is_estimated_only_when_enough_is_known() {
        let study = StudyView { phase: StudyPhase::Running, epochs: 23, ..fixture::study() };
        let at = |seconds, epochs_before| {
            head(&study, Pace { epochs_before, watched: Duration::from_secs(seconds) })
        };
        assert!(at(23, 0).contains("1.0 epochs/s  about 46 s left"), "{}", at(23, 0));
        assert!(!at(5, 0).contains("left"));
        assert!(!at(23, 22).contains("left"), "one epoch of 69 tells nothing");
    }
}
