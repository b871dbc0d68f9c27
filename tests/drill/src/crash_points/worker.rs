//! A worker in the same process: the real session, and a trainer that trains at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use common::{checkpoint::Checkpoint, view::DeviceFacts, view::LeaseId};
use coordinator::{
    blobs::{Blobs, ObjectKey},
    driver::{Driver, SessionHandle},
};
use tokio::time::timeout;
use worker::session::{
    Action, Assignment, Session,
    messages::{Identity, News, Outgoing, Report, Work},
};

use crate::{
    cluster::worker::instant,
    convert,
    reference::scored,
    training::{Epoch, Files, Training, predictions},
};

/// Longest time that anything in this process may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker with one slot.
pub(super) struct Worker {
    session: Session,
    /// Leases that are over for it.
    abandoned: BTreeSet<LeaseId>,
}

impl Worker {
    pub(super) fn new() -> Result<Self> {
        let identity = Identity {
            worker: "w".parse()?,
            incarnation: 1,
            device: DeviceFacts::default(),
            slots: 1,
            data: Vec::new(),
        };
        let mut session = Session::new(instant(0), identity);
        session.slot_free(0);
        Ok(Self { session, abandoned: BTreeSet::new() })
    }

    /// Works on one stream until it ends, or nothing comes any more.
    pub(super) async fn serve(&mut self, driver: &Driver, blobs: &Arc<Blobs>) -> Result<()> {
        self.session.opened();
        let Some(Outgoing::Hello { identity, held }) = self.session.message(instant(0)) else {
            bail!("Hello is first");
        };
        let Ok((handle, mut down)) = driver.open(convert::hello(identity, held)).await else {
            self.session.lost(instant(0));
            return Ok(());
        };
        loop {
            for action in self.session.actions() {
                match action {
                    Action::Start { assignment, .. } => self.work(blobs, &handle, &assignment).await?,
                    Action::Abandon(lease) => drop(self.abandoned.insert(lease)),
                    Action::HandBack(_) => {}
                    Action::Complain { lease, reason } => bail!("lease {lease} makes no sense: {reason}"),
                }
            }
            self.send(&handle).await;
            match timeout(PATIENCE, down.recv()).await.context("the coordinator says nothing")? {
                Some(Ok(message)) => self.session.received(instant(0), convert::incoming(message)),
                Some(Err(reason)) => bail!("the worker is not taken: {reason}"),
                None => break,
            }
        }
        self.session.lost(instant(0));
        handle.disconnected().await;
        Ok(())
    }

    async fn send(&mut self, handle: &SessionHandle) {
        while let Some(message) = self.session.message(instant(0)) {
            match message {
                Outgoing::Hello { .. } => {}
                Outgoing::Credits { free, granted } => handle.credits(free, granted).await,
                Outgoing::Heartbeat => handle.heartbeat().await,
                Outgoing::Reports { sequence, reports } => {
                    handle.reports(sequence, reports.into_iter().map(convert::report).collect()).await;
                }
            }
        }
    }

    /// Trains or evaluates, whole, with a checkpoint after every epoch.
    async fn work(&mut self, blobs: &Arc<Blobs>, handle: &SessionHandle, order: &Assignment) -> Result<()> {
        let (grant, lease) = (&order.grant, &order.grant.lease);
        let news = match grant.work {
            Work::Evaluate { checkpoint } => {
                let files = fetch(blobs, lease, checkpoint).await?;
                let [test, validation] = scored(&files);
                let evaluation =
                    common::evaluation::Evaluation { epoch: files.epoch, test, validation: Some(validation) };
                let keys = ObjectKey::of_evaluation(&lease.study, lease.trial, &evaluation);
                for (key, bytes) in keys.into_iter().zip(predictions(&files)) {
                    put(blobs, key, bytes).await?;
                }
                News::Evaluated { epoch: files.epoch, test, validation: Some(validation) }
            }
            Work::Train { from_epoch, to_epoch, resume } => {
                let resume = match resume {
                    Some(checkpoint) => Some(fetch(blobs, lease, checkpoint).await?),
                    None => None,
                };
                let training = Training::begin(&grant.hparams, grant.trial_seed, resume.as_ref());
                let training = training.context("a damaged checkpoint is trained on")?;
                self.train(blobs, handle, (lease, training, to_epoch - from_epoch)).await?
            }
        };
        self.session.reported(Report { lease: lease.clone(), news });
        self.session.slot_free(0);
        Ok(())
    }

    async fn train(
        &mut self,
        blobs: &Arc<Blobs>,
        handle: &SessionHandle,
        (lease, mut training, epochs): (&LeaseId, Training, u32),
    ) -> Result<News> {
        for left in (0..epochs).rev() {
            let (last, early_stopped) = match training.epoch() {
                Epoch::Trained(point) => (point, false),
                Epoch::Stopped(point) => (point, true),
                Epoch::NotFinite(last) => return Ok(News::NotFinite { last }),
                Epoch::Died => return Ok(News::Failed { reason: "trainer died".to_owned() }),
            };
            let files = training.files();
            let checkpoint = files.checkpoint();
            let keys = ObjectKey::of_checkpoint(&lease.study, lease.trial, &checkpoint);
            for (key, bytes) in keys.into_iter().zip([files.weights, files.state]) {
                put(blobs, key, bytes).await?;
            }
            self.session.reported(Report { lease: lease.clone(), news: News::Epoch(last) });
            if left == 0 || early_stopped {
                let best = training.best();
                return Ok(News::Finished { last, best, checkpoint, early_stopped, restored: None });
            }
            self.session.reported(Report { lease: lease.clone(), news: News::Checkpointed(checkpoint) });
            self.send(handle).await;
        }
        bail!("a lease without an epoch")
    }
}

async fn fetch(blobs: &Blobs, lease: &LeaseId, checkpoint: Checkpoint) -> Result<Files> {
    let [weights, state] = ObjectKey::of_checkpoint(&lease.study, lease.trial, &checkpoint);
    let (weights, state) = (blobs.get(&weights).await?.to_vec(), blobs.get(&state).await?.to_vec());
    Ok(Files { epoch: checkpoint.epoch, weights, state })
}

/// Stores an object, in a task of its own as in the real coordinator; tries again where that fails.
async fn put(blobs: &Arc<Blobs>, key: ObjectKey, bytes: Vec<u8>) -> Result<()> {
    for _ in 0..3 {
        let (blobs, key, bytes) = (Arc::clone(blobs), key.clone(), Bytes::from(bytes.clone()));
        #[allow(clippy::disallowed_methods, reason = "it is waited for")]
        let stored = tokio::spawn(async move { blobs.put(&key, bytes).await });
        if let Ok(Ok(())) = stored.await {
            return Ok(());
        }
    }
    bail!("an object cannot be stored")
}
