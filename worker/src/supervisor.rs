//! The supervisor: holds the leases, the connection and the trainer processes, and touches no tensor.
//!
//! [`Session`] decides; what is here carries out. One loop reads one channel, the clock and the shutdown, and everything
//! it does passes one `match`.

mod start;

mod link;

mod wire;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use common::view::LeaseId;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::{sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};

use crate::{
    error::WorkerError,
    event::Event,
    leave::{Leaving, Reason},
    member::Member,
    objects::{Cache, Objects},
    scratch::Scratch,
    session::{
        Action, Assignment, Session,
        messages::{Incoming, News, Outgoing, Report, Work},
    },
    settings::Settings,
    slot::{Leash, Order, Shared},
};

/// Longest time that tasks may take to end once the worker has ended.
const GRACE: Duration = Duration::from_secs(8);
/// Events that wait for the supervisor; whoever has more waits.
const EVENTS: usize = 256;

/// Works for a coordinator until `shutdown` is cancelled, or the coordinator says to leave; then hands everything back.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<(), WorkerError> {
    let started_at = Instant::now();
    let scratch = Scratch::open(&settings.scratch)
        .map_err(|source| WorkerError::Scratch { folder: settings.scratch.clone(), source })?;
    let member = Member::open(&settings)?;
    let (end, tracker) = (CancellationToken::new(), TaskTracker::new());
    let (events, inbox) = mpsc::channel(EVENTS);
    let (connection, link) = watch::channel(None);
    let shared = Arc::new(Shared {
        events: events.clone(),
        objects: Objects::new(link, Cache::objects(scratch.objects()), Cache::data(scratch.data())),
        scratch,
        tracker: tracker.clone(),
        end: end.clone(),
        hang_timeout: settings.hang_timeout,
        checkpoint_every: settings.checkpoint_every,
    });
    let Some(started) =
        shutdown.run_until_cancelled(start::slots((&settings, member.worker()), &shared)).await
    else {
        return Ok(());
    };
    let (identity, orders) = started?;
    info!(worker = %identity.worker, device = identity.device.device, slots = identity.slots, "worker started");
    let supervisor = Supervisor {
        session: Session::new(Instant::now(), identity),
        leaving: Leaving::new(settings.leave, started_at),
        inbox,
        orders,
        leashes: BTreeMap::new(),
        outgoing: None,
        end: end.clone(),
    };
    let holding = link::hold(member, events, connection);
    tracker.spawn(end.clone().run_until_cancelled_owned(holding));
    // It is dropped when it returns, and with it the session's stream: the coordinator sees the worker leave.
    let result = supervisor.serve(&shutdown).await;

    end.cancel();
    tracker.close();
    if timeout(GRACE, tracker.wait()).await.is_err() {
        warn!(tasks = tracker.len(), "some tasks did not end in time");
    }
    result
}

struct Supervisor {
    session: Session,
    leaving: Leaving,
    inbox: mpsc::Receiver<Event>,
    /// One for each slot.
    orders: Vec<mpsc::Sender<Order>>,
    /// Leases whose work has not ended.
    leashes: BTreeMap<LeaseId, Leash>,
    /// The stream to the coordinator, while there is one.
    outgoing: Option<mpsc::Sender<Outgoing>>,
    end: CancellationToken,
}

impl Supervisor {
    /// Works until everything is handed back.
    async fn serve(mut self, shutdown: &CancellationToken) -> Result<(), WorkerError> {
        let (mut told, mut failure) = (false, None);
        loop {
            for action in self.session.actions() {
                self.act(action);
            }
            let full = self.flush();
            if self.session.is_over(Instant::now()) {
                break;
            }
            self.leaving.see(Instant::now(), self.session.is_welcome(), self.session.held());
            let leaving = if told { None } else { self.leaving.deadline() };
            let deadline = [self.session.deadline(), leaving].into_iter().flatten().min();
            tokio::select! {
                event = self.inbox.recv() => match event {
                    // Other slots may still save what they are at.
                    Some(Event::Broken(error)) => {
                        failure = Some(error);
                        self.session.drain(Instant::now());
                    }
                    Some(event) => self.handle(event)?,
                    // Not while slots run: they hold the other end.
                    None => break,
                },
                () = room(self.outgoing.as_ref()), if full => {}
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
                    self.session.timeout(Instant::now());
                    let due = self.leaving.due(Instant::now()).filter(|_| !told);
                    if let Some(reason) = due {
                        told = true;
                        info!(leases = self.session.held(), %reason, "leaving");
                        self.session.drain(Instant::now());
                        if let Reason::Alone(_) = reason {
                            // There is nobody to hand anything back to.
                            failure = Some(WorkerError::Alone(reason.to_string()));
                            break;
                        }
                    }
                }
                () = shutdown.cancelled(), if !told => {
                    told = true;
                    info!(leases = self.session.held(), "draining");
                    self.session.drain(Instant::now());
                }
            }
        }
        if self.session.held() > 0 {
            warn!(
                leases = self.session.held(),
                "leaving with leases that the coordinator does not know to be over"
            );
        }
        failure.map_or(Ok(()), Err)
    }

    /// Takes in what happened.
    fn handle(&mut self, event: Event) -> Result<(), WorkerError> {
        match event {
            Event::Opened(outgoing) => {
                self.outgoing = Some(outgoing);
                self.session.opened();
            }
            Event::Received(message) => {
                if message == Incoming::Drain {
                    info!(leases = self.session.held(), "draining, as the coordinator asks");
                }
                self.session.received(Instant::now(), message);
            }
            Event::Lost => {
                self.outgoing = None;
                self.session.lost(Instant::now());
            }
            Event::SlotFree(slot) => self.session.slot_free(slot),
            Event::Reported(report) => self.reported(*report),
            Event::Refused(reason) => return Err(WorkerError::Refused(reason)),
            Event::Unknown(reason) => return Err(WorkerError::Access(reason)),
            Event::Taken(reason) => return Err(WorkerError::Taken(reason)),
            Event::Broken(error) => return Err(error),
        }
        Ok(())
    }

    /// Carries out what the session decided.
    fn act(&mut self, action: Action) {
        debug!(?action, "acting");
        match action {
            Action::Start { slot, assignment } => self.start(slot, assignment),
            Action::HandBack(lease) => self.hand_back(&lease),
            Action::Abandon(lease) => self.abandon(&lease),
            Action::Complain { lease, reason } => warn!(
                study = %lease.study,
                trial = %lease.trial,
                attempt = %lease.attempt,
                reason,
                "this worker cannot make sense of the lease, and hands it back: is it of the coordinator's release?"
            ),
        }
    }

    fn start(&mut self, slot: usize, assignment: Assignment) {
        let lease = assignment.grant.lease.clone();
        let work = match &assignment.grant.work {
            Work::Train { from_epoch, to_epoch, .. } => format!("train {from_epoch} to {to_epoch}"),
            Work::Evaluate { checkpoint } => format!("evaluate {}", checkpoint.epoch),
        };
        info!(study = %lease.study, trial = %lease.trial, attempt = %lease.attempt, slot, work, "trial leased");
        let abandon = self.end.child_token();
        let leash = Leash { hand_back: abandon.child_token(), abandon };
        self.leashes.insert(lease, leash.clone());
        if self.orders[slot].try_send(Order { assignment, leash }).is_err() {
            // A slot takes an order for each time that it says to be free.
            error!(slot, "order refused by its slot");
        }
    }

    fn hand_back(&mut self, lease: &LeaseId) {
        if let Some(leash) = self.leashes.get(lease) {
            leash.hand_back.cancel();
        }
    }

    fn abandon(&mut self, lease: &LeaseId) {
        if let Some(leash) = self.leashes.remove(lease) {
            info!(study = %lease.study, trial = %lease.trial, attempt = %lease.attempt, "lease lost");
            leash.abandon.cancel();
        }
    }

    fn reported(&mut self, report: Report) {
        let Report { lease, news } = &report;
        let (study, trial, attempt) = (&lease.study, lease.trial, lease.attempt);
        match news {
            News::Epoch(point) => debug!(%study, %trial, %attempt, epoch = point.epoch, "epoch trained"),
            News::Checkpointed(stored) => {
                debug!(%study, %trial, %attempt, epoch = stored.epoch, "checkpoint stored")
            }
            News::Finished { last, .. } => {
                info!(%study, %trial, %attempt, epoch = last.epoch, "trial trained")
            }
            News::NotFinite { last } => {
                info!(%study, %trial, %attempt, epoch = last.epoch, "objective not finite")
            }
            News::Released { checkpoint } => {
                let epoch = checkpoint.map(|stored| stored.epoch);
                info!(%study, %trial, %attempt, epoch, "lease handed back");
            }
            News::Failed { reason } => warn!(%study, %trial, %attempt, reason, "attempt failed"),
            News::Evaluated { test, .. } => {
                info!(%study, %trial, %attempt, accuracy = test.metrics.accuracy, "trial evaluated");
            }
        }
        if news.is_final() {
            self.leashes.remove(lease);
        }
        self.session.reported(report);
    }

    /// Sends what there is to send; true when the stream takes no more for now.
    fn flush(&mut self) -> bool {
        let Some(outgoing) = &self.outgoing else { return false };
        loop {
            match outgoing.try_reserve() {
                Ok(permit) => match self.session.message(Instant::now()) {
                    Some(message) => permit.send(message),
                    None => return false,
                },
                Err(TrySendError::Full(())) => return true,
                // Its end is about to be told.
                Err(TrySendError::Closed(())) => return false,
            }
        }
    }
}

/// Waits until the stream takes another message.
async fn room(outgoing: Option<&mpsc::Sender<Outgoing>>) {
    if let Some(outgoing) = outgoing {
        drop(outgoing.reserve().await);
    }
}
