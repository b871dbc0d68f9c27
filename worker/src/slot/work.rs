//! One lease's work in a slot: fetch what it starts from, let the trainer work, tell what comes out.

use std::time::{Duration, Instant};

use common::view::LeaseId;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::{sleep, sleep_until},
};
use tracing::warn;

use super::{
    Child, Leash, Order, Slot,
    child::Death,
    delivery::{Delivery, Outcome},
    health::{Health, Witness},
    prepare::Obstacle,
    respawn,
    watchdog::Watchdog,
};
use crate::{
    event::Event,
    session::messages::{News, Report as LeaseReport, Work},
    trainer::{
        Progress, Trained,
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
    witness: Witness,
}

/// The trainer died before it had begun on a lease, for the reason given.
struct NotBegun(String);

impl Slot {
    /// Works on one lease; returns the trainer, where it can be used again.
    pub(super) async fn work(&self, child: Child, order: Order, health: &mut Health) -> Option<Child> {
        let Order { assignment, leash } = order;
        let id = &assignment.grant.lease;
        let folder = match self.shared.scratch.lease(id) {
            Ok(folder) => folder,
            Err(error) => {
                health.witness().fails(format!("no folder for its checkpoints: {error}"));
                self.tell(id, News::Released { checkpoint: None }).await;
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
            witness: health.witness(),
            stored: None,
        };
        self.shared.tracker.spawn(delivery.run(waiting));

        let prepared = leash.hand_back.run_until_cancelled(self.prepare(&assignment, &folder)).await;
        let evaluated = match &assignment.grant.work {
            Work::Evaluate { checkpoint } => checkpoint.epoch,
            Work::Train { .. } => 0,
        };
        let lease = Lease { id, leash: &leash, evaluated, outcomes, witness: health.witness() };
        let (outcome, child) = match prepared {
            Some(Ok(command)) => {
                health.found();
                self.attend_at_last(&lease, child, command).await
            }
            Some(Err(obstacle)) => (self.give_up(&lease, obstacle, health).await, Some(child)),
            None => (Outcome::Released(None), Some(child)),
        };
        // Nobody listens where the lease was abandoned.
        drop(lease.outcomes.send(outcome));
        child
    }

    /// What becomes of a lease whose work cannot begin.
    async fn give_up(&self, lease: &Lease<'_>, obstacle: Obstacle, health: &mut Health) -> Outcome {
        match obstacle {
            Obstacle::Everywhere(reason) => return Outcome::Failed(reason),
            Obstacle::Here(reason) => lease.witness.fails(reason),
            Obstacle::InStore(reason) => {
                let rest = health.wait_for_store();
                let (slot, seconds) = (self.number, rest.as_secs_f64());
                warn!(slot, reason, seconds, "lost by the coordinator: the lease goes back later");
                // Not at once: as long as the lease counts, its study does not come first for every slot.
                lease.leash.hand_back.run_until_cancelled(sleep(rest)).await;
            }
        }
        Outcome::Released(None)
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
            return Err(NotBegun(child.post_mortem().await.reason));
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
                        let Death { reason, machine_fails } = child.post_mortem().await;
                        if machine_fails {
                            lease.witness.fails(reason);
                            return Ok((Outcome::Released(None), None));
                        }
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
                        let more = "`--hang-timeout` on the worker allows more";
                        let reason = format!("trainer made no progress for {patience} s: {more}");
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
            Report::Ended(Trained::HandedBack { checkpoint }) => (Outcome::Released(checkpoint), true),
            Report::Ended(Trained::Abandoned) => (Outcome::Released(None), true),
            Report::Evaluated { test, validation } => {
                (Outcome::Evaluated { epoch: lease.evaluated, test, validation }, true)
            }
            // After an error of a device nothing that this process says can be trusted.
            Report::Failed(reason) => (Outcome::Failed(reason), false),
        })
    }

    pub(super) async fn tell(&self, lease: &LeaseId, news: News) {
        // The supervisor stops listening only when the worker ends.
        drop(
            self.shared
                .events
                .send(Event::Reported(Box::new(LeaseReport { lease: lease.clone(), news })))
                .await,
        );
    }
}
