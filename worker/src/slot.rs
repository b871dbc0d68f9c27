//! A slot: one trainer process, kept warm, and the leases that it works on one after the other.

mod child;
pub(crate) use child::{Child, Launch, StartError};

mod health;

mod watchdog;

mod prepare;

mod delivery;

mod work;

use std::{sync::Arc, time::Duration};

use common::view::DeviceFacts;
use tokio::{
    sync::mpsc::{Receiver, Sender},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use self::health::{Condition, Health};
use crate::{
    backoff::Backoff,
    error::WorkerError,
    event::Event,
    objects::Objects,
    scratch::Scratch,
    session::{Assignment, messages::News},
};

/// First wait before a trainer is started again.
const FIRST_RESPAWN: Duration = Duration::from_millis(100);
/// Longest wait.
const LAST_RESPAWN: Duration = Duration::from_secs(5);
/// How often in a row a trainer may fail to start before the worker gives up.
const STARTS: u32 = 5;

/// An assignment and the means to end it early.
#[derive(Debug)]
pub(crate) struct Order {
    /// What to work on.
    pub(crate) assignment: Assignment,
    /// How the supervisor ends it.
    pub(crate) leash: Leash,
}

/// How a supervisor ends the work on a lease.
#[derive(Debug, Clone)]
pub(crate) struct Leash {
    /// Finish the step, save, hand the lease back.
    pub(crate) hand_back: CancellationToken,
    /// Stop: nothing about the lease matters any more.
    pub(crate) abandon: CancellationToken,
}

/// What all slots of a worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where news goes.
    pub(crate) events: Sender<Event>,
    /// Where checkpoints go to and come from.
    pub(crate) objects: Objects,
    /// The worker's own folder.
    pub(crate) scratch: Scratch,
    /// Every task of the worker.
    pub(crate) tracker: TaskTracker,
    /// Cancelled when the worker ends.
    pub(crate) end: CancellationToken,
    /// Longest time without a step before a trainer is killed.
    pub(crate) hang_timeout: Duration,
    /// Least age of a checkpoint at which an epoch's end takes a new one.
    pub(crate) checkpoint_every: Duration,
}

/// One slot.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its number, from 0.
    pub(crate) number: usize,
    /// How its trainer is started.
    pub(crate) launch: Launch,
    /// What it shares with the others.
    pub(crate) shared: Arc<Shared>,
}

impl Slot {
    /// Works on orders, one at a time, until the worker ends; with a trainer that is up already, where there is one.
    ///
    /// [`Event::SlotFree`] is told once the trainer is up, and again after each order; so there is never more than one
    /// order on its way here.
    pub(crate) async fn run(self, mut orders: Receiver<Order>, warm: Option<Child>) {
        self.serve(&mut orders, warm).await;
        // One may have come in the moment that the trainer was lost for good.
        orders.close();
        while let Ok(order) = orders.try_recv() {
            self.tell(&order.assignment.grant.lease, News::Released { checkpoint: None }).await;
        }
    }

    async fn serve(&self, orders: &mut Receiver<Order>, mut warm: Option<Child>) {
        let end = self.shared.end.clone();
        let (mut respawn, mut health) = (respawn(), Health::new());
        let mut announced = false;
        loop {
            let Some(mut child) = self.trainer(warm.take(), &mut respawn).await else { return };
            if !announced && self.shared.events.send(Event::SlotFree(self.number)).await.is_err() {
                return;
            }
            announced = true;
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => {
                        announced = false;
                        warm = self.work(child, order, &mut health).await;
                    }
                    None => return child.close().await,
                },
                _ = child.next() => {
                    // It has nothing to say when it has nothing to do: it died.
                    let reason = child.post_mortem().await.reason;
                    warn!(slot = self.number, reason, "idle trainer died");
                }
                () = end.cancelled() => return child.close().await,
            }
            let respawning = if warm.is_some() {
                respawn.reset();
                None
            } else {
                Some(respawn.wait())
            };
            if !self.pause(respawning, &mut health).await {
                return;
            }
        }
    }

    /// Pauses before the next lease where a trainer is to be started again, or where this machine fails its leases; false
    /// where there is to be no other.
    async fn pause(&self, respawning: Option<Duration>, health: &mut Health) -> bool {
        let resting = match health.condition() {
            Condition::Sound => None,
            Condition::Failing(rest) => {
                info!(slot = self.number, seconds = rest.as_secs_f64(), "slot rests");
                Some(rest)
            }
            Condition::Hopeless(reason) => {
                error!(slot = self.number, reason, "this machine fails lease after lease");
                drop(self.shared.events.send(Event::Broken(WorkerError::Machine(reason))).await);
                return false;
            }
        };
        match respawning.max(resting) {
            Some(pause) => self.shared.end.run_until_cancelled(sleep(pause)).await.is_some(),
            None => true,
        }
    }

    /// The trainer at hand, or a new one; none when the worker ends before one is up.
    async fn trainer(&self, warm: Option<Child>, respawn: &mut Backoff) -> Option<Child> {
        if warm.is_some() {
            return warm;
        }
        let starting = start(&self.launch, &self.shared.tracker, respawn);
        match self.shared.end.run_until_cancelled(starting).await? {
            Ok((child, _)) => Some(child),
            Err(error) => {
                error!(slot = self.number, %error, "trainer cannot be started");
                let broken = WorkerError::Trainer(error.to_string());
                drop(self.shared.events.send(Event::Broken(broken)).await);
                None
            }
        }
    }
}

/// Starts a trainer; tries again where one is lost before it is up.
pub(crate) async fn start(
    launch: &Launch,
    tracker: &TaskTracker,
    respawn: &mut Backoff,
) -> Result<(Child, DeviceFacts), StartError> {
    for _ in 1..STARTS {
        match Child::start(launch, tracker).await {
            Err(StartError::Lost(reason)) => warn!(reason, "trainer lost at its start"),
            ended => return ended,
        }
        sleep(respawn.wait()).await;
    }
    Child::start(launch, tracker).await
}

/// The waits between starts of a trainer.
pub(crate) fn respawn() -> Backoff {
    Backoff::new(FIRST_RESPAWN, LAST_RESPAWN)
}
