//! One lease's work in a slot: fetch what it starts from, let the trainer work, tell what comes out.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use common::view::LeaseId;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::sleep_until,
};
use tracing::warn;

use super::{
    Child, Leash, Order, Slot,
    delivery::{Delivery, Outcome},
    respawn,
    watchdog::Watchdog,
};
use crate::{
    event::Event,
    session::{
        Assignment,
        messages::{News, Report as LeaseReport, Work},
    },
    trainer::{
        EvaluateTask, Progress, TrainTask, Trained,
        protocol::{Command, Report},
    },
};

/// Longest time that an abandoned trial may go on before its trainer is killed.
const ABANDON: Duration = Duration::from_secs(10);

/// A lease in work.
struct Lease<'a> {
    id: &'a LeaseId,
    leash: &'a Leash,
    /// The checkpoint's epoch, where it is evaluated.
    evaluated: u32,
    outcomes: UnboundedSender<Outcome>,
}

/// The trainer died before it had begun on a lease, for the reason given.
struct NotBegun(String);

impl Slot {
    /// Works on one lease; returns the trainer, where it can be used again.
    pub(super) async fn work(&self, child: Child, order: Order) -> Option<Child> {
        let Order { assignment, leash } = order;
        let id = &assignment.grant.lease;
        let folder = match self.shared.scratch.lease(id) {
            Ok(folder) => folder,
            Err(error) => {
                let reason = format!("no folder for its checkpoints: {error}");
                self.tell(id, News::Failed { reason }).await;
                return Some(child);
            }
        };
        let (outcomes, waiting) = unbounded_channel();
        let delivery = Delivery {
            lease: id.clone(),
            leash: leash.clone(),
            folder: folder.clone(),
            objects: self.shared.objects.clone(),
            events: self.shared.events.clone(),
            stored: None,
        };
        self.shared.tracker.spawn(delivery.run(waiting));

        let prepared = leash.hand_back.run_until_cancelled(self.prepare(&assignment, &folder)).await;
        let evaluated = match &assignment.grant.work {
            Work::Evaluate { checkpoint } => checkpoint.epoch,
            Work::Train { .. } => 0,
        };
        let lease = Lease { id, leash: &leash, evaluated, outcomes };
        let (outcome, child) = match prepared {
            Some(Ok(command)) => self.attend_at_last(&lease, child, command).await,
            Some(Err(reason)) => (Outcome::Failed(reason), Some(child)),
            None => (Outcome::Released(None), Some(child)),
        };
        // Nobody listens where the lease was abandoned.
        drop(lease.outcomes.send(outcome));
        child
    }

    /// Brings what the work starts from to this machine, and says what the trainer is to do.
    async fn prepare(&self, assignment: &Assignment, folder: &Path) -> Result<Command, String> {
        let (grant, study) = (&assignment.grant, assignment.study.clone());
        let fetch = async |checkpoint| {
            let files = self.shared.objects.fetch(&grant.lease, checkpoint, folder).await;
            files.map_err(|error| format!("checkpoint of epoch {}: {error}", checkpoint.epoch))
        };
        let data = match study.data.object() {
            None => None,
            Some(digest) => {
                let fetched = self.shared.objects.fetch_data(digest, folder).await;
                Some(fetched.map_err(|error| format!("data set `{}`: {error}", study.data.name))?)
            }
        };
        // Whoever resumes has begun already.
        let initial = match (&grant.work, study.train.initial_object()) {
            (Work::Train { resume: None, .. }, Some(digest)) => {
                let fetched = self.shared.objects.fetch_model(digest, folder).await;
                Some(fetched.map_err(|error| format!("initial weights: {error}"))?)
            }
            _ => None,
        };
        let (hparams, scratch) = (grant.hparams.clone(), folder.to_owned());
        Ok(match &grant.work {
            Work::Train { from_epoch, to_epoch, resume } => Command::Train(TrainTask {
                study,
                hparams,
                trial_seed: grant.trial_seed,
                data_seed: grant.data_seed,
                from_epoch: *from_epoch,
                to_epoch: *to_epoch,
                resume: match resume {
                    Some(checkpoint) => Some(fetch(checkpoint).await?),
                    None => None,
                },
                checkpoint_every: self.shared.checkpoint_every,
                scratch,
                data,
                initial,
            }),
            Work::Evaluate { checkpoint } => {
                let checkpoint = fetch(checkpoint).await?;
                Command::Evaluate { task: EvaluateTask { study, hparams, checkpoint, data }, scratch }
            }
        })
    }

    /// Lets a trainer work, and a new one where the first died before it had begun: what befell an idle process says
    /// nothing about the trial, and must not cost it an attempt. A second such death does.
    async fn attend_at_last(
        &self,
        lease: &Lease<'_>,
        child: Child,
        command: Command,
    ) -> (Outcome, Option<Child>) {
        let NotBegun(reason) = match self.attend(lease, child, command.clone()).await {
            Ok(ended) => return ended,
            Err(not_begun) => not_begun,
        };
        warn!(slot = self.number, reason, "trainer died before it began");
        // None where the worker is about to end: the lease goes back as it came.
        let Some(child) = self.trainer(None, &mut respawn()).await else {
            return (Outcome::Released(None), None);
        };
        let again = self.attend(lease, child, command).await;
        again.unwrap_or_else(|NotBegun(reason)| (Outcome::Failed(reason), None))
    }

    /// Lets the trainer work until it is done, dead or hung; returns it where it can be used again.
    async fn attend(
        &self,
        lease: &Lease<'_>,
        mut child: Child,
        command: Command,
    ) -> Result<(Outcome, Option<Child>), NotBegun> {
        if !child.send(command).await {
            return Err(NotBegun(child.post_mortem().await));
        }
        let mut watchdog = Watchdog::new(Instant::now(), self.shared.hang_timeout);
        let (mut begun, mut asked, mut kill_at) = (false, false, None::<Instant>);
        loop {
            let deadline = kill_at.unwrap_or_else(|| watchdog.deadline());
            tokio::select! {
                // In this order: a stop must get through to a trainer that talks all the time, and what the trainer said
                // comes before what the clock says, for both may be late.
                biased;
                () = lease.leash.abandon.cancelled(), if kill_at.is_none() => {
                    let patience = if self.shared.end.is_cancelled() { Duration::ZERO } else { ABANDON };
                    (asked, kill_at) = (true, Some(Instant::now() + patience));
                    child.send(Command::Stop { save: false }).await;
                }
                () = lease.leash.hand_back.cancelled(), if !asked => {
                    asked = true;
                    child.send(Command::Stop { save: true }).await;
                }
                report = child.next() => {
                    let Some(report) = report else {
                        let reason = child.post_mortem().await;
                        return if begun {
                            Ok((Outcome::Failed(reason), None))
                        } else {
                            Err(NotBegun(reason))
                        };
                    };
                    begun = true;
                    watchdog.fed(Instant::now());
                    if let Some((outcome, usable)) = self.heed(lease, report).await {
                        return Ok((outcome, usable.then_some(child)));
                    }
                }
                () = sleep_until(deadline.into()) => {
                    if kill_at.is_some() || watchdog.starved(Instant::now()) {
                        drop(child.kill().await);
                        let patience = self.shared.hang_timeout.as_secs_f64();
                        let reason = format!("trainer made no progress for {patience} s");
                        return Ok((Outcome::Failed(reason), None));
                    }
                }
            }
        }
    }

    /// Passes a trainer's report on; returns the work's outcome if that is it, and whether the trainer is still sound.
    async fn heed(&self, lease: &Lease<'_>, report: Report) -> Option<(Outcome, bool)> {
        Some(match report {
            Report::Ready(_) | Report::Progress(Progress::Steps(_)) => return None,
            Report::Progress(Progress::Epoch(point)) => {
                self.tell(lease.id, News::Epoch(point)).await;
                return None;
            }
            Report::Progress(Progress::Checkpoint(files)) => {
                drop(lease.outcomes.send(Outcome::Checkpoint(files)));
                return None;
            }
            Report::Ended(Trained::Finished { last, best, checkpoint, early_stopped, restored }) => {
                (Outcome::Finished { last, best, checkpoint, early_stopped, restored }, true)
            }
            Report::Ended(Trained::NotFinite { last }) => (Outcome::NotFinite(last), true),
            Report::Ended(Trained::Drained { checkpoint }) => (Outcome::Released(checkpoint), true),
            Report::Ended(Trained::Abandoned) => (Outcome::Released(None), true),
            Report::Evaluated { test, validation } => {
                (Outcome::Evaluated { epoch: lease.evaluated, test, validation }, true)
            }
            // After an error of a device nothing that this process says can be trusted.
            Report::Failed(reason) => (Outcome::Failed(reason), false),
        })
    }

    async fn tell(&self, lease: &LeaseId, news: News) {
        // The supervisor stops listening only when the worker ends.
        drop(
            self.shared
                .events
                .send(Event::Reported(Box::new(LeaseReport { lease: lease.clone(), news })))
                .await,
        );
    }
}
