//! Watching a study to its end: one live region on a terminal, one line per event off it.

mod board;

mod events;

mod progress;

mod updates;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use common::{
    study::StudySpec,
    view::{StudyPhase, StudyView},
};
use scheduler::Plan;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use trust::Published;

use super::{
    embedded::Embedded, failure::Failure, interrupt::Interrupt, join, run::LocalWorkers, waiting::Waiting,
};
use crate::client::Remote;

use progress::Progress;
use updates::{Update, Updates};

/// How often trials are asked for and the live region is drawn, at most.
const TICK: Duration = Duration::from_millis(500);

/// How long a study may last where nobody set a limit: a year.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// A study to watch.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    /// The coordinator that has it.
    pub(crate) remote: &'a Remote,
    /// The study as it is now.
    pub(crate) study: &'a StudyView,
    /// What it was asked to do.
    pub(crate) spec: &'a StudySpec,
    /// The state folder that is meant, by which its user's workers are let in.
    pub(crate) state: &'a Path,
    /// Local workers to look after meanwhile.
    pub(crate) workers: Option<&'a mut LocalWorkers>,
    /// The coordinator, where this process is it.
    pub(crate) own: Option<&'a Embedded>,
    /// The state folder whose coordinator ends with the command that started it, where that is another command.
    pub(crate) heir_of: Option<&'a Path>,
    /// How long to watch.
    pub(crate) timeout: Option<Duration>,
    /// Whether progress is shown.
    pub(crate) progress: bool,
}

/// Why watching ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The study has finished.
    Finished(Box<StudyView>),
    /// The coordinator has ended with the command that started it.
    Orphaned,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The time that was given is over.
    TimedOut,
}

impl Watch<'_> {
    /// Watches until the study has finished, the time is over or somebody interrupts.
    pub(crate) async fn until_over(mut self, interrupt: &mut Interrupt) -> Result<Ended, Failure> {
        let mut updates = Updates::of(self.remote.clone(), self.study.id.to_string());
        let mut progress = self.progress.then(|| Progress::new(self.study, Plan::of(self.spec)));
        let mut waiting = Waiting::new(join::advice(self.remote.address(), self.state));
        let mut latest = Box::new(self.study.clone());
        let mut deadline =
            std::pin::pin!(sleep_until((Instant::now() + self.timeout.unwrap_or(FOR_EVER)).into()));
        let mut lost = false;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                update = updates.next() => match update {
                    Update::Changed(view) => (latest, lost) = (view, false),
                    Update::Lost(_) if self.has_ended() => return Ok(Ended::Orphaned),
                    Update::Lost(reason) => {
                        lost = true;
                        note(progress.as_ref(), &format!("{reason}; trying again"));
                    }
                    Update::Failed(error) => return Err(error.into()),
                },
                _ = tick.tick() => if lost && self.has_ended() { return Ok(Ended::Orphaned) },
                () = interrupt.recv() => return Ok(Ended::Interrupted),
                () = &mut deadline => return Ok(Ended::TimedOut),
            }
            if let Some(progress) = &mut progress {
                self.show(progress, &latest).await;
                if !lost {
                    self.tell_waiting(progress, &mut waiting, &latest).await;
                }
            }
            if latest.phase == StudyPhase::Finished {
                return Ok(Ended::Finished(latest));
            }
            self.look_after(progress.as_ref())?;
        }
    }

    /// Whether the coordinator was another command's and is no more.
    fn has_ended(&self) -> bool {
        let there = |folder| Published::of_folder(folder);
        self.heir_of.is_some_and(|folder| {
            there(folder).is_none_or(|published| !published.answers_at(self.remote.address()))
        })
    }

    /// Shows the study if it has changed, but not more often than once a tick, however fast it changes.
    async fn show(&self, progress: &mut Progress, latest: &StudyView) {
        let due = latest.phase == StudyPhase::Finished || progress.is_due(TICK);
        // Where trials cannot be asked for now, they are the next time.
        if due
            && progress.is_news(latest)
            && let Ok(trials) = self.remote.trials(self.study.id.as_str()).await
        {
            progress.update(latest, &trials);
        }
    }

    /// Says why nobody trains the study, and when that has changed. Local workers are on their way, and have what it needs.
    async fn tell_waiting(&self, progress: &Progress, waiting: &mut Waiting, latest: &StudyView) {
        let have_local = self.workers.as_ref().is_some_and(|workers| !workers.is_empty());
        if !have_local
            && waiting.is_due(latest)
            && let Ok(workers) = self.remote.workers().await
            && let Some(text) = waiting.news((latest, self.spec), &workers)
        {
            progress.note(&text);
        }
    }

    /// Says which local workers have ended; fails when all have, or the coordinator of this process.
    fn look_after(&mut self, progress: Option<&Progress>) -> Result<(), Failure> {
        if self.own.is_some_and(Embedded::has_ended) {
            return Err(Failure::failed("the coordinator has ended by itself; its log says why"));
        }
        let Some(workers) = self.workers.as_mut() else { return Ok(()) };
        for ended in workers.newly_ended() {
            note(progress, &ended);
        }
        workers.any_left()
    }
}

fn note(progress: Option<&Progress>, text: &str) {
    match progress {
        Some(progress) => progress.note(text),
        None => super::output::message(text),
    }
}
