//! The shell around the machine: takes what is waiting, commits, then acts.

mod collect;

mod trouble;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{
    ids::{StudyId, TrialNumber},
    time::Timestamp,
    view::StudyView,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use trouble::Trouble;

use super::{
    Answer, Effect, Group, Hello, Input, Machine, NotTaken, Refused, Report, Request, RequestId, SessionId,
    ToWorker,
};
use crate::{
    blobs::{Blobs, Found},
    clock::Clock,
    store::{Commit, Store, StoreError},
};

/// Most inputs in one group, so that a flood of reports still gets its answers in good time.
const GROUP: usize = 4096;

/// Messages that may wait before senders have to: back-pressure reaches workers through their streams.
const QUEUE: usize = 4096;

/// How many messages may wait for one worker: whoever reads so little is cut off, and connects again where it lives.
const UNREAD: usize = 1024;

/// A handle to the running driver; clones are cheap.
#[derive(Debug, Clone)]
pub struct Driver {
    messages: mpsc::Sender<Message>,
    updates: broadcast::Sender<StudyView>,
}

/// What a worker's stream is told, up to why it is not taken.
type Told = Result<ToWorker, NotTaken>;

#[derive(Debug)]
enum Message {
    Open(Hello, mpsc::Sender<Told>, oneshot::Sender<SessionId>),
    Input(Input),
    Ask(Request, oneshot::Sender<Result<Answer, Refused>>),
    Found(Vec<Found>),
}

impl Driver {
    /// Asks and waits for the answer, which comes when what it says is durable.
    pub async fn ask(&self, request: Request) -> Result<Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Ask(request, answer)).await.map_err(|_| Refused::Stopping)?;
        answered.await.map_err(|_| Refused::Stopping)?
    }

    /// Opens a worker's session. The receiver ends when the session is closed from this side, as one is that is not read; an
    /// error is the last that comes out of it.
    pub async fn open(
        &self,
        hello: Hello,
    ) -> Result<(SessionHandle, mpsc::Receiver<Result<ToWorker, NotTaken>>), Refused> {
        let (down, receiver) = mpsc::channel(UNREAD);
        let (id, opened) = oneshot::channel();
        self.messages.send(Message::Open(hello, down, id)).await.map_err(|_| Refused::Stopping)?;
        let session = opened.await.map_err(|_| Refused::Stopping)?;
        Ok((SessionHandle { session, messages: self.messages.clone() }, receiver))
    }

    /// Every change of every study from now on.
    pub fn updates(&self) -> broadcast::Receiver<StudyView> {
        self.updates.subscribe()
    }
}

/// One open stream's way to the driver.
#[derive(Debug)]
pub struct SessionHandle {
    session: SessionId,
    messages: mpsc::Sender<Message>,
}

impl SessionHandle {
    /// Passes on how many leases the worker can take.
    pub async fn credits(&self, free: u32, granted: u64) {
        self.send(Input::Credits { session: self.session, free, granted }).await;
    }

    /// Passes on what happened to leases.
    pub async fn reports(&self, sequence: u64, reports: Vec<Report>) {
        self.send(Input::Reports { session: self.session, sequence, reports }).await;
    }

    /// Passes on a sign of life.
    pub async fn heartbeat(&self) {
        self.send(Input::Heartbeat { session: self.session }).await;
    }

    /// Tells that the stream has ended.
    pub async fn disconnected(&self) {
        self.send(Input::Disconnected { session: self.session }).await;
    }

    async fn send(&self, input: Input) {
        // A driver that is gone has closed the session's other half too; the stream ends by that.
        let _ = self.messages.send(Message::Input(input)).await;
    }
}

/// Everything that effects act on.
#[derive(Debug, Default)]
struct Ends {
    sessions: BTreeMap<SessionId, mpsc::Sender<Told>>,
    requests: BTreeMap<RequestId, oneshot::Sender<Result<Answer, Refused>>>,
    numbered: u64,
}

impl Ends {
    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }
}

/// Runs a machine on a store; the future ends after `shutdown`, when all that was waiting is committed.
pub fn run(
    machine: Machine,
    store: Box<dyn Store>,
    blobs: Arc<Blobs>,
    clock: Clock,
    shutdown: CancellationToken,
) -> (Driver, impl Future<Output = Result<(), StoreError>>) {
    let (messages, inbox) = mpsc::channel(QUEUE);
    let (updates, _) = broadcast::channel(1024);
    let driver = Driver { messages, updates: updates.clone() };
    let shell = Shell {
        machine,
        store: Some(store),
        blobs,
        clock,
        updates,
        ends: Ends::default(),
        trouble: None,
        messages: driver.messages.downgrade(),
        background: JoinSet::new(),
        looks: JoinSet::new(),
        look_again: false,
        deletions: JoinSet::new(),
        started: clock.now(),
        crowded: None,
        leaders: BTreeMap::new(),
    };
    (driver, shell.run(inbox, shutdown))
}

struct Shell {
    machine: Machine,
    /// Away only while a commit runs on a blocking thread.
    store: Option<Box<dyn Store>>,
    blobs: Arc<Blobs>,
    clock: Clock,
    updates: broadcast::Sender<StudyView>,
    ends: Ends,
    /// Set while the store takes no commit.
    trouble: Option<Trouble>,
    /// The way for what is found in the background.
    messages: mpsc::WeakSender<Message>,
    /// What is deleted of studies that have finished; given up when the driver ends.
    background: JoinSet<()>,
    /// The look through all objects that is under way, one at a time; given up when the driver ends.
    looks: JoinSet<()>,
    /// Whether objects became superfluous that it may have passed already.
    look_again: bool,
    /// Deletions of whole studies, which may have thousands of objects: waited for when the driver ends, since whoever asks
    /// for one wants the room.
    deletions: JoinSet<()>,
    started: Timestamp,
    /// When it was last said that the quota is used up.
    crowded: Option<Instant>,
    /// The trial that leads each unfinished study: another leader may free its checkpoint.
    leaders: BTreeMap<StudyId, TrialNumber>,
}

impl Shell {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        shutdown: CancellationToken,
    ) -> Result<(), StoreError> {
        // Leases from before a restart are in the machine already: their deadlines count from here.
        self.turn(Vec::new()).await?;
        self.look(Duration::ZERO);
        loop {
            let blobs = Arc::clone(&self.blobs);
            let (mut waiting, mut more) = (Vec::new(), false);
            let deadline = self.deadline();
            tokio::select! {
                () = shutdown.cancelled() => break,
                count = inbox.recv_many(&mut waiting, GROUP) => {
                    if count == 0 {
                        break;
                    }
                    more = count == GROUP;
                }
                () = sleep_until(deadline) => {}
                () = blobs.crowded() => {
                    self.make_room();
                    continue;
                }
                Some(_) = self.background.join_next() => continue,
                Some(_) = self.looks.join_next() => {
                    self.has_looked();
                    continue;
                }
                Some(_) = self.deletions.join_next() => continue,
            }
            if self.trouble.as_ref().is_some_and(|trouble| trouble.retry_at <= Instant::now()) {
                self.mend().await?;
            }
            let inputs = self.admit_all(waiting).await;
            self.turn(inputs).await?;
            // Where more was said than one group takes, nobody has been heard out yet.
            if !more {
                self.machine.listens(self.clock.now());
            }
        }
        inbox.close();
        let mut rest = Vec::new();
        while inbox.recv_many(&mut rest, GROUP).await > 0 {}
        let inputs = self.admit_all(rest).await;
        self.turn(inputs).await?;
        while self.deletions.join_next().await.is_some() {}
        Ok(())
    }

    /// When there is something to do even if nothing comes in.
    fn deadline(&self) -> Option<Instant> {
        match &self.trouble {
            Some(trouble) => Some(trouble.retry_at),
            None => self.machine.next_deadline().map(|at| self.clock.instant(at).into()),
        }
    }

    /// What messages say to the machine. Objects that were found are judged here and now: the state is that of all events
    /// that are stored, and none is on its way.
    async fn admit_all(&mut self, messages: Vec<Message>) -> Vec<Input> {
        let mut inputs = Vec::new();
        for message in messages {
            match message {
                Message::Found(found) if self.trouble.is_none() => self.judge(&found).await,
                message => inputs.extend(self.admit(message)),
            }
        }
        inputs
    }

    fn admit(&mut self, message: Message) -> Option<Input> {
        let input = match message {
            Message::Found(_) => return None,
            Message::Input(input) => {
                if let Input::Disconnected { session } = &input {
                    self.ends.sessions.remove(session);
                }
                input
            }
            Message::Open(hello, down, opened) => {
                let session = SessionId(self.ends.number());
                self.ends.sessions.insert(session, down);
                let _ = opened.send(session);
                Input::Connected { session, hello }
            }
            Message::Ask(request, answer) => {
                let id = RequestId(self.ends.number());
                self.ends.requests.insert(id, answer);
                Input::Asked { id, request }
            }
        };
        Some(input)
    }

    /// One group: handle, commit, act. Nobody hears of anything that is not on disk.
    async fn turn(&mut self, inputs: Vec<Input>) -> Result<(), StoreError> {
        if self.trouble.is_some() {
            self.hold(inputs).await;
            return Ok(());
        }
        let Group { commit, effects, sessions } = self.machine.handle(self.clock.now(), inputs);
        let commit = Arc::new(commit);
        match self.commit(Arc::clone(&commit)).await? {
            Ok(()) => {
                for effect in effects {
                    self.act(effect).await;
                }
                self.collect(&commit).await;
                Ok(())
            }
            Err(error) => self.roll_back(&commit, effects, sessions, error).await,
        }
    }

    async fn commit(&mut self, commit: Arc<Commit>) -> Result<Result<(), StoreError>, StoreError> {
        if commit.is_empty() {
            return Ok(Ok(()));
        }
        self.on_store(move |store| store.commit(&commit)).await
    }

    /// Runs something on the store on a blocking thread. The outer error is a fault that ends this coordinator.
    async fn on_store<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Result<T, StoreError>, StoreError> {
        let lost = || StoreError::Unreadable {
            what: "the store".to_owned(),
            reason: "a call on it panicked".to_owned(),
        };
        let mut store = self.store.take().ok_or_else(lost)?;
        let ran = tokio::task::spawn_blocking(move || {
            let result = act(store.as_mut());
            (store, result)
        });
        let (store, result) = ran.await.map_err(|_| lost())?;
        self.store = Some(store);
        Ok(result)
    }

    async fn act(&mut self, effect: Effect) {
        tracing::debug!(?effect, "effect");
        match effect {
            Effect::Send(session, message) => self.send(session, Ok(message)),
            Effect::Close(session) => drop(self.ends.sessions.remove(&session)),
            Effect::Refuse(session, reason) => {
                self.send(session, Err(reason));
                self.ends.sessions.remove(&session);
            }
            Effect::Answer(id, answer) => self.answer(id, answer),
            // Nobody watching is no fault.
            Effect::Publish(view) => drop(self.updates.send(view)),
            Effect::DeleteObjects(study) => {
                self.deletions.spawn(delete_objects(Arc::clone(&self.blobs), study));
            }
        }
    }

    fn send(&mut self, session: SessionId, message: Told) {
        if let Some(down) = self.ends.sessions.get(&session)
            && down.try_send(message).is_err()
        {
            // The stream is gone, or nobody reads it; its handler tells so itself.
            self.ends.sessions.remove(&session);
        }
    }

    fn answer(&mut self, id: RequestId, answer: Result<Answer, Refused>) {
        if let Some(waiting) = self.ends.requests.remove(&id) {
            // Who asked may have gone away meanwhile.
            let _ = waiting.send(answer);
        }
    }
}

async fn delete_objects(blobs: Arc<Blobs>, study: StudyId) {
    if let Err(error) = blobs.delete_study(&study).await {
        tracing::warn!(%study, %error, "objects of a deleted study are left");
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
