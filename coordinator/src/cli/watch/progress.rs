//! How a study's progress is shown: a live board on a terminal, lines off it.

use std::time::{Duration, Instant};

use common::view::{StudyPhase, StudyView, TrialView};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use scheduler::Plan;

use super::{
    super::output,
    board::{Board, Pace, head},
    events::Events,
};

/// How often it is told how long a study may still take, where no board shows it.
const PACE: Duration = Duration::from_secs(60);

/// What is shown of a study.
#[derive(Debug)]
pub(super) struct Progress {
    board: Board,
    events: Events,
    live: Option<ProgressBar>,
    /// The whole board as it was last, which stays when watching ends.
    last: String,
    started: Instant,
    epochs_before: u64,
    updated: Option<(Instant, StudyView)>,
    /// When it was last told how long the rest may take.
    told: Instant,
}

impl Progress {
    /// Begins to show a study as it is.
    pub(super) fn new(study: &StudyView, plan: Plan) -> Self {
        let live = output::is_live().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self {
            board: Board::new(plan.clone()),
            events: Events::new(plan, study.metric, study.goal),
            live,
            last: String::new(),
            started: Instant::now(),
            epochs_before: study.epochs,
            updated: None,
            told: Instant::now(),
        }
    }

    /// Whether the last update is at least so old.
    pub(super) fn is_due(&self, age: Duration) -> bool {
        self.updated.as_ref().is_none_or(|(at, _)| at.elapsed() >= age)
    }

    /// Whether a state is not the one that is shown.
    pub(super) fn is_news(&self, study: &StudyView) -> bool {
        self.updated.as_ref().is_none_or(|(_, shown)| shown != study)
    }

    /// Shows how things stand now.
    pub(super) fn update(&mut self, study: &StudyView, trials: &[TrialView]) {
        match &self.live {
            Some(bar) => {
                self.board.fill(trials);
                self.last = self.board.whole(study, self.pace());
                bar.set_message(self.board.live(study, self.pace()));
                bar.tick();
            }
            // What was there before watching began is no news.
            None if self.updated.is_none() && self.epochs_before > 0 => self.events.skip(trials),
            None => {
                self.events.lines(trials).iter().for_each(|line| output::message(line));
                self.tell_pace(study);
            }
        }
        self.updated = Some((Instant::now(), study.clone()));
    }

    /// Says how far a study is and how long it may still take, once in a while: off a terminal there is no board that does.
    fn tell_pace(&mut self, study: &StudyView) {
        let due = self.told.elapsed() >= PACE && study.phase == StudyPhase::Running;
        if due {
            output::message(&head(study, self.pace()));
            self.told = Instant::now();
        }
    }

    fn pace(&self) -> Pace {
        Pace { epochs_before: self.epochs_before, watched: self.started.elapsed() }
    }

    /// Says something without disturbing the board.
    pub(super) fn note(&self, text: &str) {
        match &self.live {
            Some(bar) => bar.suspend(|| output::message(text)),
            None => output::message(text),
        }
    }
}

impl Drop for Progress {
    /// The board stays as it was last and with all brackets, as text like any other.
    fn drop(&mut self) {
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
            output::message(&self.last);
        }
    }
}
