//! Deletes objects that nobody can ask for any more, once the event that made them so is durable.
//!
//! What is kept follows from the log alone ([`Study::kept`](scheduler::Study::kept)), so a crash between an event and its
//! deletions leaves only space in use: the next start looks through everything once. Objects of unfinished studies are
//! judged by the driver at the moment of their deletion; those of finished ones, which change no more, beside it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use common::{
    ids::{StudyId, TrialNumber},
    time::Timestamp,
    trial::TrialState,
    view::{StudyPhase, StudyView, TrialView},
};
use scheduler::Event;
use tokio::sync::mpsc::WeakSender;

use super::{Message, Shell};
use crate::{
    blobs::{BlobError, Blobs, Found, ObjectKey},
    store::{Commit, Reader, StoreError},
};

/// Objects that are judged at a time: other messages come between.
const CHUNK: usize = 512;

/// Trials of one commit that are looked at before work goes on; where it has changed more, all are looked through beside.
const AT_ONCE: usize = 32;

/// How much older than it is a file may look: systems date files by a clock that ticks some hundred times a second.
const TICK: Duration = Duration::from_secs(1);

/// Pause between two looks where commits ask for more of them than there can be.
const BREATH: Duration = Duration::from_secs(1);

/// Shortest time between two looks through everything because the quota was reached.
const REST: Duration = Duration::from_secs(30);

impl Shell {
    /// Deletes what a commit has made superfluous. That something could not be deleted costs space, and is tried again.
    pub(super) async fn collect(&mut self, commit: &Commit) {
        let finished = |view: &&StudyView| view.phase == StudyPhase::Finished;
        for view in commit.studies.iter().filter(finished) {
            self.leaders.remove(&view.id);
            self.background.spawn(swept(Arc::clone(&self.blobs), view.id.clone()));
        }
        for study in &commit.deleted {
            self.leaders.remove(study);
        }
        let mut trials: BTreeSet<(StudyId, TrialNumber)> = BTreeSet::new();
        trials.extend(
            commit.events.iter().filter_map(|(study, _, event)| Some((study.clone(), frees(event)?))),
        );
        for view in commit.studies.iter().filter(|view| view.phase != StudyPhase::Finished) {
            let Some(best) = view.best else { continue };
            let before = self.leaders.insert(view.id.clone(), best.trial);
            trials.extend(
                before.filter(|before| *before != best.trial).map(|before| (view.id.clone(), before)),
            );
        }
        if trials.len() > AT_ONCE {
            return self.look(Duration::ZERO);
        }
        for (study, trial) in trials {
            match self.blobs.of_trial(&study, trial).await {
                Ok(found) => self.judge(&found).await,
                Err(error) => tracing::warn!(%study, %trial, %error, "superfluous objects are left"),
            }
        }
    }

    /// Deletes those of some objects that nobody needs now.
    pub(super) async fn judge(&mut self, found: &[Found]) {
        for key in self.machine.garbage(found, self.started) {
            match self.blobs.delete(&key).await {
                Ok(()) => {
                    tracing::debug!(study = %key.study, trial = %key.trial, epoch = key.epoch, "object deleted")
                }
                Err(error) => tracing::warn!(%error, "a superfluous object is left"),
            }
        }
    }

    /// Looks through all objects beside the driver, which judges them as they are found: after a pause, or once more after the
    /// look that is under way.
    pub(super) fn look(&mut self, pause: Duration) {
        if !self.looks.is_empty() {
            self.look_again = true;
            return;
        }
        let (blobs, messages, before) = (Arc::clone(&self.blobs), self.messages.clone(), self.started);
        self.looks.spawn(async move {
            tokio::time::sleep(pause).await;
            if let Err(error) = looked_through(blobs, messages, before).await {
                tracing::warn!(%error, "superfluous objects may be left");
            }
        });
    }

    /// Looks once more after a look, if that was wanted meanwhile.
    pub(super) fn has_looked(&mut self) {
        if std::mem::take(&mut self.look_again) {
            self.look(BREATH);
        }
    }

    /// Looks through all objects because there was no room for one, unless that was done a moment ago.
    pub(super) fn make_room(&mut self) {
        if self.crowded.is_none_or(|before| before.elapsed() > REST) {
            tracing::warn!(
                "the quota is used up: uploads wait until something is deleted, or there is a larger one"
            );
            self.crowded = Some(tokio::time::Instant::now());
            self.look(Duration::ZERO);
        }
    }
}

/// The trial of which an event may make objects superfluous.
fn frees(event: &Event) -> Option<TrialNumber> {
    match event {
        Event::Drawn { .. } | Event::Granted { .. } | Event::Promoted { .. } | Event::Adopted { .. } => None,
        event => event.trial(),
    }
}

/// Why objects could not be looked through.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("objects cannot be listed: {0}")]
    Folder(#[from] io::Error),
}

/// Finished studies first, then everything that is there, to be judged by the driver.
async fn looked_through(
    blobs: Arc<Blobs>,
    messages: WeakSender<Message>,
    before: Timestamp,
) -> Result<(), LookError> {
    let folder = blobs.folder().to_owned();
    let tidied = tokio::task::spawn_blocking(move || tidy(&folder, before));
    tidied.await.map_err(io::Error::other)??;
    let state = blobs.state().to_owned();
    let studies = tokio::task::spawn_blocking(move || Reader::open(&state)?.studies());
    for study in studies.await.map_err(io::Error::other)?? {
        if study.phase == StudyPhase::Finished {
            sweep(&blobs, &study.id).await?;
        }
    }
    for found in blobs.of_study(None).await?.chunks(CHUNK) {
        // A driver that is gone needs no room.
        let Some(messages) = messages.upgrade() else { return Ok(()) };
        if messages.send(Message::Found(found.to_vec())).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn swept(blobs: Arc<Blobs>, study: StudyId) {
    if let Err(error) = sweep(&blobs, &study).await {
        tracing::warn!(%study, %error, "superfluous objects of a finished study are left");
    }
}

/// Deletes what a finished study needs no more.
async fn sweep(blobs: &Blobs, study: &StudyId) -> Result<(), LookError> {
    let (state, id) = (blobs.state().to_owned(), study.clone());
    let rows = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&state)?;
        Ok::<_, StoreError>((reader.study(&id)?, reader.trials(&id)?))
    });
    let (Some(view), trials) = rows.await.map_err(io::Error::other)?? else { return Ok(()) };
    let kept = kept(&view, &trials);
    for object in blobs.of_study(Some(study)).await? {
        if !kept.contains(&object.key) {
            blobs.delete(&object.key).await?;
        }
    }
    Ok(())
}

/// The objects of a finished study that stay: the checkpoints of its best and its completed trials, and what evaluations
/// found.
fn kept(study: &StudyView, trials: &[TrialView]) -> BTreeSet<ObjectKey> {
    let mut kept = BTreeSet::new();
    if let Some(best) = &study.best {
        kept.extend(ObjectKey::of_checkpoint(&study.id, best.trial, &best.checkpoint));
    }
    for trial in trials {
        let completed = trial.state == TrialState::Completed;
        if let Some(checkpoint) = trial.checkpoint.filter(|_| completed) {
            kept.extend(ObjectKey::of_checkpoint(&study.id, trial.trial, &checkpoint));
        }
        if let Some(evaluation) = &trial.evaluation {
            kept.extend(ObjectKey::of_evaluation(&study.id, trial.trial, evaluation));
        }
    }
    kept
}

/// Removes what uploads that a crash cut off have left, two folders down: files whose names are not yet their own.
fn tidy(folder: &Path, before: Timestamp) -> io::Result<()> {
    for study in fs::read_dir(folder)? {
        let Ok(trials) = fs::read_dir(study?.path()) else { continue };
        for trial in trials {
            let trial = trial?.path();
            remove_cut_off(&trial, before)?;
            let Ok(files) = fs::read_dir(&trial) else { continue };
            for file in files {
                remove_cut_off(&file?.path(), before)?;
            }
        }
    }
    Ok(())
}

fn remove_cut_off(file: &Path, before: Timestamp) -> io::Result<()> {
    // The object store writes `NAME#NUMBER` and renames it once it is whole.
    let staged = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('#'));
    if staged.is_none_or(|(_, number)| number.parse::<u32>().is_err()) {
        return Ok(());
    }
    let written = match fs::metadata(file) {
        Ok(facts) => facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default(),
        Err(_) => return Ok(()),
    };
    if (written + TICK).as_millis() as u64 >= before.0 {
        return Ok(());
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_written_stays_and_what_was_cut_off_goes() {
        let folder = tempfile::tempdir().unwrap();
        let trial = folder.path().join("0a1b2c3d/0");
        fs::create_dir_all(&trial).unwrap();
        let started = Timestamp(1_795_442_799_123);
        let file = |name: &str, age: u64| {
            let path = trial.join(name);
            fs::write(&path, name).unwrap();
            let written = UNIX_EPOCH + Duration::from_millis(started.0 - age);
            fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
            path
        };
        // Of this start, by a clock that had not ticked since; of before; and no upload at all.
        let (own, old, whole) = (file("a#1", 9), file("b#1", 60_000), file("c", 60_000));
        tidy(folder.path(), started).unwrap();
        assert!(own.exists() && whole.exists() && !old.exists());
    }
}
