//! While the store takes no commit: nothing is decided, nobody loses anything, and it is tried again.

use std::{collections::BTreeSet, time::Duration};

use common::ids::StudyId;
use tokio::time::Instant;

use super::{super::Effect, Shell};
use crate::{
    driver::{Group, Input, SessionId},
    store::{Commit, StoreError},
};

/// First wait before the store is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(100);

/// Longest wait: work goes on this soon after space has returned.
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// A store that takes no commit.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Why, for those who ask.
    reason: String,
    /// When it is tried again.
    pub(super) retry_at: Instant,
    wait: Duration,
    /// Studies that are ahead of what is stored.
    ahead: BTreeSet<StudyId>,
    /// Whether all is as it is stored, so that a worker can be told what it still holds.
    restored: bool,
    /// Sessions whose messages were not taken: they are closed once the store is back, and send again.
    unheard: BTreeSet<SessionId>,
}

impl Trouble {
    fn new(commit: &Commit, error: &StoreError) -> Self {
        let events = commit.events.iter().map(|(study, ..)| study.clone());
        let ahead = events.chain(commit.deleted.iter().cloned()).collect();
        Self {
            reason: Self::said(error),
            retry_at: Instant::now(),
            wait: FIRST_RETRY,
            ahead,
            restored: false,
            unheard: BTreeSet::new(),
        }
    }

    /// An error without its first word, which the sentence that it becomes part of has already.
    fn said(error: &StoreError) -> String {
        let said = error.to_string();
        said.strip_prefix("store: ").map_or_else(|| said.clone(), str::to_owned)
    }
}

impl Shell {
    /// Takes back what a failed commit was about. Where the store is sound, work goes on at once; else when it is again.
    ///
    /// An error comes back only where this coordinator may write no more.
    pub(super) async fn roll_back(
        &mut self,
        commit: &Commit,
        effects: Vec<Effect>,
        sessions: BTreeSet<SessionId>,
        error: StoreError,
    ) -> Result<(), StoreError> {
        if matches!(error, StoreError::Superseded { .. }) {
            return Err(error);
        }
        tracing::error!(%error, "commit failed: going back to what is stored");
        let mut trouble = Trouble::new(commit, &error);
        let mut asked = Vec::new();
        trouble.unheard = sessions;
        for effect in effects {
            match effect {
                Effect::Send(session, _) | Effect::Close(session) | Effect::Refuse(session, _) => {
                    trouble.unheard.insert(session);
                }
                Effect::Answer(id, _) => asked.push(id),
                Effect::Publish(_) | Effect::DeleteObjects(_) => {}
            }
        }
        self.trouble = Some(trouble);
        let mended = self.mend().await;
        // Only now: whoever looks then finds what is stored, if the store can be read.
        for id in asked {
            self.answer(id, Err(super::Refused::Store(error.to_string())));
        }
        mended
    }

    /// Takes inputs while nothing can be committed.
    pub(super) async fn hold(&mut self, inputs: Vec<Input>) {
        let Some(trouble) = &mut self.trouble else { return };
        let mut heard = Vec::new();
        for input in inputs {
            match input {
                // What it still holds is not known; it comes again.
                Input::Connected { session, .. } if !trouble.restored => {
                    self.ends.sessions.remove(&session);
                }
                input => heard.push(input),
            }
        }
        let Group { effects, sessions, .. } = self.machine.hold(self.clock.now(), heard, &trouble.reason);
        trouble.unheard.extend(sessions);
        for effect in effects {
            self.act(effect).await;
        }
    }

    /// Tries whether the store takes commits again, and goes on from what it holds.
    pub(super) async fn mend(&mut self) -> Result<(), StoreError> {
        let reopened = self.on_store(|store| store.reopen()).await?;
        let restored = self.restore().await?;
        let Some(trouble) = &mut self.trouble else { return Ok(()) };
        match reopened.and(restored) {
            Ok(()) => {
                tracing::info!("the store takes commits");
                let unheard = std::mem::take(&mut trouble.unheard);
                self.trouble = None;
                unheard.iter().for_each(|session| drop(self.ends.sessions.remove(session)));
                // At once: whatever is granted from here on must not go to a stream that is closed.
                self.machine.hung_up(self.clock.now(), &unheard);
                Ok(())
            }
            Err(error @ StoreError::Superseded { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(%error, wait = ?trouble.wait, "the store takes no commits; trying again");
                trouble.reason = Trouble::said(&error);
                trouble.retry_at = Instant::now() + trouble.wait;
                trouble.wait = (trouble.wait * 2).min(LONGEST_RETRY);
                Ok(())
            }
        }
    }

    /// Puts all that is ahead of the store back to what it says. The outer error is a fault that ends this coordinator.
    async fn restore(&mut self) -> Result<Result<(), StoreError>, StoreError> {
        let Some(trouble) = &self.trouble else { return Ok(Ok(())) };
        let ahead = trouble.ahead.clone();
        let read = self.on_store(move |store| {
            let data = store.data()?;
            let logs = ahead.into_iter().map(|study| Ok((store.log(&study)?, study)));
            Ok((data, logs.collect::<Result<Vec<_>, StoreError>>()?))
        });
        let (data, logs) = match read.await? {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        self.machine.restore_data(data);
        for (log, study) in logs {
            let unreadable = |error: scheduler::ReplayError| StoreError::Unreadable {
                what: format!("the log of study {study}"),
                reason: error.to_string(),
            };
            if let Err(error) = self.machine.restore(study.clone(), &log, self.clock.now()) {
                return Ok(Err(unreadable(error)));
            }
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.restored = true;
        }
        Ok(Ok(()))
    }
}
