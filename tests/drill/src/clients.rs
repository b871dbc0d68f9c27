//! People: they submit studies, pause, stop and delete them, and ask again where no answer comes.

use common::{
    ids::{StudyId, StudyName},
    study::StudySpec,
    view::StudyPhase,
};
use coordinator::driver::{Answer, OnConflict, Refused, Request};

use crate::{
    climate::Climate,
    cluster::coordinator::Asker,
    world::{Event, World},
};

/// How long somebody waits for an answer, in milliseconds.
const PATIENCE: u64 = 3_000;

/// Everybody who asks for something.
#[derive(Debug)]
pub(crate) struct Clients {
    specs: Vec<StudySpec>,
    /// Each study's id, once it is known.
    ids: Vec<Option<StudyId>>,
    intents: Vec<Intent>,
    /// Ids drawn so far: a message that is sent again brings another one.
    drawn: u32,
}

/// Something that somebody wants.
#[derive(Debug)]
struct Intent {
    what: What,
    done: bool,
}

/// What somebody can want; of which study, or of which worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Submit(usize),
    Pause(usize),
    Resume(usize),
    Stop(usize),
    Delete(usize),
    Drain(usize),
}

impl Clients {
    /// People who want a climate's studies.
    pub(crate) fn new(climate: &Climate) -> Self {
        let specs: Vec<StudySpec> = climate.studies.iter().map(|(spec, _)| spec.clone()).collect();
        Self { ids: vec![None; specs.len()], specs, intents: Vec::new(), drawn: 0 }
    }

    /// Whether everything is answered, and all studies are known.
    pub(crate) fn are_content(&self) -> bool {
        let drain = |intent: &Intent| matches!(intent.what, What::Drain(_));
        self.ids.iter().all(Option::is_some) && self.intents.iter().all(|intent| intent.done || drain(intent))
    }

    /// Studies that somebody has asked to stop.
    pub(crate) fn stopped(&self) -> impl Iterator<Item = &StudyId> {
        let study = |intent: &Intent| match intent.what {
            What::Stop(study) => Some(study),
            _ => None,
        };
        self.intents.iter().filter_map(study).filter_map(|study| self.ids[study].as_ref())
    }

    /// A coordinator that knows only some studies has taken the place of the one before. What was answered since the backup
    /// is wanted again: a study that is not there, and the end of one that is there once more.
    pub(crate) fn restored(&mut self, is_there: impl Fn(&StudyId) -> bool) {
        for (study, known) in self.ids.iter_mut().enumerate() {
            let Some(id) = known else { continue };
            let deletes = |intent: &Intent| intent.what == What::Delete(study) && intent.done;
            let deleted = self.intents.iter().any(deletes);
            let undone = match is_there(id) {
                true if deleted => What::Delete(study),
                false if !deleted => What::Submit(study),
                _ => continue,
            };
            if undone == What::Submit(study) {
                *known = None;
            }
            let lost = self.intents.iter_mut().filter(|intent| intent.what == undone);
            lost.for_each(|intent| intent.done = false);
        }
    }

    /// What is wanted and not answered.
    pub(crate) fn open(&self) -> Vec<usize> {
        let open = self.intents.iter().enumerate().filter(|(_, intent)| !intent.done);
        open.map(|(number, _)| number).collect()
    }

    /// A study's place, by its id.
    pub(crate) fn study(&self, id: &StudyId) -> Option<usize> {
        self.ids.iter().position(|known| known.as_ref() == Some(id))
    }

    /// A study's place, by its name or that of a later one of the same file.
    pub(crate) fn named(&self, name: &StudyName) -> Option<usize> {
        self.specs.iter().position(|spec| stem(name) == spec.name.as_str())
    }
}

/// The name that a study was submitted under.
pub(crate) fn stem(name: &StudyName) -> &str {
    name.as_str().split('-').next().unwrap_or_default()
}

impl World {
    fn want(&mut self, what: What) {
        self.clients.intents.push(Intent { what, done: false });
        self.ask(self.clients.intents.len() - 1);
    }

    /// A study is submitted.
    pub(crate) fn submit(&mut self, study: usize) {
        self.want(What::Submit(study));
    }

    /// A paused study goes on.
    pub(crate) fn resume(&mut self, study: usize) {
        self.want(What::Resume(study));
    }

    /// A stopped study is deleted.
    pub(crate) fn delete(&mut self, study: usize) {
        self.want(What::Delete(study));
    }

    /// Somebody pauses some study.
    pub(crate) fn pause_some(&mut self) -> bool {
        self.choose().is_some_and(|study| {
            self.want(What::Pause(study));
            true
        })
    }

    /// Somebody stops some study.
    pub(crate) fn stop_some(&mut self) -> bool {
        // Once: most studies should come to their end.
        let stopped = self.clients.intents.iter().any(|intent| matches!(intent.what, What::Stop(_)));
        let chosen = if stopped { None } else { self.choose() };
        chosen.is_some_and(|study| {
            self.want(What::Stop(study));
            true
        })
    }

    /// Somebody asks a worker to leave.
    pub(crate) fn drain_worker(&mut self, worker: usize) {
        self.want(What::Drain(worker));
    }

    /// Resumes studies that were left paused.
    pub(crate) fn resume_all(&mut self) {
        for id in self.checks.paused() {
            let Some(study) = self.clients.study(&id) else { continue };
            let resumes = |intent: &Intent| intent.what == What::Resume(study) && !intent.done;
            if !self.clients.intents.iter().any(resumes) {
                self.resume(study);
            }
        }
    }

    fn choose(&mut self) -> Option<usize> {
        let known = (0..self.clients.ids.len()).filter(|study| self.clients.ids[*study].is_some());
        let known: Vec<usize> = known.collect();
        if known.is_empty() { None } else { Some(self.dice.pick(&known)) }
    }

    /// Sends a message, and again until it is answered.
    pub(crate) fn ask(&mut self, number: usize) {
        if self.clients.intents[number].done {
            return;
        }
        self.later(PATIENCE, Event::Ask(number));
        if let Some(request) = self.request_of(self.clients.intents[number].what) {
            self.request(Asker::Client(number), request);
        }
    }

    fn request_of(&mut self, what: What) -> Option<Request> {
        let id = |study: usize| self.clients.ids[study].clone();
        Some(match what {
            What::Submit(study) => {
                self.clients.drawn += 1;
                let id = format!("{:08x}", self.clients.drawn).parse().ok()?;
                let spec = Box::new(self.clients.specs[study].clone());
                Request::Submit { id, spec, on_conflict: OnConflict::Refuse }
            }
            What::Pause(study) => Request::Pause(id(study)?),
            What::Resume(study) => Request::Resume(id(study)?),
            What::Stop(study) => Request::Stop(id(study)?),
            What::Delete(study) => Request::Delete(id(study)?),
            What::Drain(worker) => Request::DrainWorker(self.workers[worker].id.as_str().to_owned()),
        })
    }

    /// An answer comes, or is lost on its way.
    pub(crate) fn answered(&mut self, number: usize, answer: Result<Answer, Refused>) {
        let what = self.clients.intents[number].what;
        if self.stormy && self.dice.chance(100) {
            return;
        }
        if std::mem::replace(&mut self.clients.intents[number].done, true) {
            return;
        }
        match (what, answer) {
            (_, Err(Refused::Store(_) | Refused::Degraded(_) | Refused::Stopping)) => {
                self.clients.intents[number].done = false
            }
            (What::Delete(_), Err(Refused::NotFinished(_))) => self.clients.intents[number].done = false,
            (What::Submit(study), Ok(Answer::Submitted { study: view, .. })) => {
                self.checks.submitted(&view.id);
                self.clients.ids[study] = Some(view.id);
            }
            (What::Submit(study), answer) => {
                self.checks.fail(format!("study {study} is not taken: {answer:?}"));
            }
            (What::Pause(study), _) => {
                let wait = self.dice.between((2_000, 60_000));
                self.later(wait, Event::Resume(study));
            }
            (What::Stop(study), Ok(Answer::Study(view))) => {
                self.checks.stopped(&view.id);
                let wait = self.dice.between((1_000, 30_000));
                if view.phase != StudyPhase::Paused {
                    self.later(wait, Event::Delete(study));
                }
            }
            (What::Delete(study), Ok(_)) => {
                if let Some(id) = &self.clients.ids[study] {
                    self.checks.deleted(id);
                }
            }
            _ => {}
        }
    }
}
