//! What people ask: studies to start, pause and stop, workers to send away.

use common::{
    checkpoint::Checkpoint,
    ids::{ModelName, StudyId, StudyName, WorkerId},
    study::StudySpec,
    time::Timestamp,
    view::{DataView, ModelView, StudyPhase, StudyView},
};
use scheduler::Input as StudyInput;

use super::{
    super::{
        Answer, Effect, Group, OnConflict, Refused, Request, RequestId, SessionId, ToWorker,
        differences::differences, effect::Conflict, live_study::LiveStudy,
    },
    Machine,
};
use crate::blobs::ObjectKey;

/// Most workers that a refusal names.
const LISTED: usize = 8;

impl Machine {
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        (id, request): (RequestId, Request),
        group: &mut Group,
    ) -> Result<Answer, Refused> {
        tracing::debug!(?id, ?request, "asked");
        match request {
            Request::Submit { id, spec, on_conflict } => self.submit(now, (id, *spec, on_conflict), group),
            Request::Pause(study) => self.command(now, study, &StudyInput::Pause, group),
            Request::Resume(study) => self.command(now, study, &StudyInput::Resume, group),
            Request::Stop(study) => self.command(now, study, &StudyInput::Stop, group),
            Request::Delete(study) => self.delete(now, study, group),
            Request::Workers => Ok(Answer::Workers(self.roster.views(now))),
            Request::DrainWorker(text) => self.drain(&text, group),
            Request::AddData(set) => self.add_data(now, set, group),
            Request::CheckData(set) => Ok(Answer::Holds(self.data_sets.check(&set)?.is_some())),
            Request::RemoveData(name) => {
                let names = &self.names;
                let called = |id: &StudyId| {
                    let name = names.iter().find(|(_, named)| *named == id).map(|(name, _)| name.to_string());
                    name.unwrap_or_else(|| id.to_string())
                };
                let object = self.data_sets.remove(&name, called)?;
                group.commit.data_removed.push(name);
                Ok(Answer::DataRemoved(object))
            }
            Request::AddModel(model) => self.add_model(now, model, group),
            Request::CheckModel(model) => Ok(Answer::Holds(self.weights.check(&model)?.is_some())),
            Request::RemoveModel(name) => self.remove_model(name, group),
            Request::Damaged(key) => {
                self.damaged(now, &key, group);
                Ok(Answer::Holds(false))
            }
            Request::Holds(worker, lease) => Ok(Answer::Holds(self.holds(worker.as_ref(), &lease))),
            Request::Leases(worker, study, trial) => {
                Ok(Answer::Holds(worker.is_none_or(|worker| self.leases(&worker, &study, trial))))
            }
            Request::LeasesOn(worker, data) => {
                Ok(Answer::Holds(worker.is_none_or(|worker| self.leases_on(&worker, data))))
            }
            Request::LeasesFrom(worker, weights) => {
                Ok(Answer::Holds(worker.is_none_or(|worker| self.leases_from(&worker, weights))))
            }
        }
    }

    fn submit(
        &mut self,
        now: Timestamp,
        (id, spec, on_conflict): (StudyId, StudySpec, OnConflict),
        group: &mut Group,
    ) -> Result<Answer, Refused> {
        let named = self.names.get(&spec.name).and_then(|named| self.studies.get(named));
        if let Some(live) = named.or_else(|| self.run_again(&spec, on_conflict))
            && on_conflict != OnConflict::Fresh
        {
            if on_conflict == OnConflict::Refuse && !agree(live.study().spec(), &spec) {
                let differences = differences(live.study().spec(), &spec);
                return Err(Refused::Conflict(Conflict { name: spec.name, differences }));
            }
            let id = live.id().clone();
            let study = match live.study().phase() {
                StudyPhase::Paused => self.resumed(now, &id, group)?,
                _ => live.view(now),
            };
            return Ok(Answer::Submitted { study, resumed: true });
        }
        let mut spec = self.weights.resolved(self.data_sets.resolved(spec)?)?;
        spec.name = self.free_name(spec.name);
        let live = LiveStudy::create(id.clone(), spec.clone(), now, &mut group.commit)
            .map_err(|error| Refused::Scheduler(error.to_string()))?;
        tracing::info!(study = %id, name = %spec.name, "study submitted");
        let study = live.view(now);
        self.data_sets.used(&id, &spec);
        self.names.insert(spec.name, id.clone());
        self.studies.insert(id, live);
        Ok(Answer::Submitted { study, resumed: false })
    }

    /// The newest unfinished study that got a number after its name because an older one has it: where the name's own is
    /// finished, the same command once more means this one. To go on with it whatever it is takes
    /// [`OnConflict::Resume`]; otherwise it must be what is asked for.
    fn run_again(&self, spec: &StudySpec, on_conflict: OnConflict) -> Option<&LiveStudy> {
        let is_meant = |study: &StudySpec| on_conflict == OnConflict::Resume || agree(study, spec);
        let numbered = self.studies.values().filter(|live| live.study().spec().name.is_numbered(&spec.name));
        let meant = numbered.filter(|live| is_meant(live.study().spec()));
        meant.max_by_key(|live| live.study().created())
    }

    fn resumed(&mut self, now: Timestamp, id: &StudyId, group: &mut Group) -> Result<StudyView, Refused> {
        match self.command(now, id.clone(), &StudyInput::Resume, group)? {
            Answer::Study(view) => Ok(view),
            _ => Err(self.not_running(id)),
        }
    }

    /// The name itself, or NAME-2, NAME-3, … where it is taken.
    fn free_name(&self, name: StudyName) -> StudyName {
        if !self.names.contains_key(&name) {
            return name;
        }
        let mut free =
            (2..).map(|n| name.numbered(n)).filter(|candidate| !self.names.contains_key(candidate));
        free.next().unwrap_or(name)
    }

    /// The refusal to do something to a study that does not run, by the name that people know it by.
    fn not_running(&self, id: &StudyId) -> Refused {
        let named = self.names.iter().find(|(_, own)| *own == id);
        Refused::NotRunning(named.map_or_else(|| id.to_string(), |(name, _)| name.to_string()))
    }

    fn command(
        &mut self,
        now: Timestamp,
        study: StudyId,
        input: &StudyInput,
        group: &mut Group,
    ) -> Result<Answer, Refused> {
        let Some(live) = self.studies.get_mut(&study) else { return Err(self.not_running(&study)) };
        live.step(now, input, &mut group.commit)
            .map_err(|refusal| Refused::Scheduler(refusal.to_string()))?;
        Ok(Answer::Study(live.view(now)))
    }

    /// Deletes a study whose training is over. What was still to be measured is given up, and its leases are taken back with
    /// the group.
    fn delete(&mut self, now: Timestamp, study: StudyId, group: &mut Group) -> Result<Answer, Refused> {
        let phase = self.studies.get(&study).map(|live| live.study().phase());
        if !matches!(phase, None | Some(StudyPhase::Evaluating)) {
            return Err(Refused::NotFinished(study));
        }
        if let Some(live) = self.studies.remove(&study) {
            // Whoever watches it would wait for ever.
            let over = StudyView { phase: StudyPhase::Finished, finished: Some(now), ..live.view(now) };
            group.effects.push(Effect::Publish(over));
        }
        self.names.retain(|_, named| *named != study);
        self.data_sets.unused(&study);
        group.commit.deleted.push(study.clone());
        group.effects.push(Effect::DeleteObjects(study));
        Ok(Answer::Deleted)
    }

    /// A trial whose checkpoint cannot be read goes on from the one before it.
    fn damaged(&mut self, now: Timestamp, key: &ObjectKey, group: &mut Group) {
        let Some(live) = self.studies.get_mut(&key.study) else { return };
        let checkpoint = live.study().trial(key.trial).and_then(|trial| trial.checkpoint);
        let named = |c: &Checkpoint| ObjectKey::of_checkpoint(&key.study, key.trial, c).contains(key);
        let Some(checkpoint) = checkpoint.filter(named) else { return };
        let input = StudyInput::Damaged { trial: key.trial, checkpoint };
        match live.step(now, &input, &mut group.commit) {
            Ok(events) if !events.is_empty() => {
                tracing::error!(study = %key.study, trial = %key.trial, epoch = key.epoch, "checkpoint lost: the one before it counts");
            }
            Ok(_) => {}
            Err(refusal) => tracing::debug!(%refusal, "a checkpoint that nobody needs is damaged"),
        }
    }

    fn add_data(&mut self, now: Timestamp, set: DataView, group: &mut Group) -> Result<Answer, Refused> {
        let (set, new) = self.data_sets.add(DataView { created: now, ..set })?;
        if new {
            tracing::info!(data = %set.name, digest = %set.facts.digest, "data set added");
            group.commit.data.push(set.clone());
        }
        Ok(Answer::Data(set))
    }

    fn add_model(&mut self, now: Timestamp, model: ModelView, group: &mut Group) -> Result<Answer, Refused> {
        let (model, new) = self.weights.add(ModelView { created: now, ..model })?;
        if new {
            tracing::info!(model = %model.name, digest = %model.facts.digest, "weights added");
            group.commit.models.push(model.clone());
        }
        Ok(Answer::Model(model))
    }

    fn remove_model(&mut self, name: ModelName, group: &mut Group) -> Result<Answer, Refused> {
        let digest = self.weights.object(&name)?;
        let specs = self.studies.values().map(|live| live.study().spec());
        let user = specs.filter(|spec| spec.train.initial_object() == Some(digest)).map(|spec| &spec.name);
        let object = self.weights.remove(&name, user.min())?;
        group.commit.models_removed.push(name);
        Ok(Answer::ModelRemoved(object))
    }

    pub(super) fn drain(&mut self, text: &str, group: &mut Group) -> Result<Answer, Refused> {
        let connected =
            self.roster.iter().filter_map(|(worker, member)| Some((worker.clone(), member.session?)));
        let connected: Vec<(WorkerId, SessionId)> = connected.collect();
        // Nothing is everybody's beginning, and nobody's id.
        let begins = |worker: &WorkerId| !text.is_empty() && worker.as_str().starts_with(text);
        let matching: Vec<_> = connected.iter().filter(|(worker, _)| begins(worker)).cloned().collect();
        let whole = matching.iter().find(|(worker, _)| worker.as_str() == text);
        let only = || matching.first().filter(|_| matching.len() == 1);
        let Some((worker, session)) = whole.or_else(only).cloned() else {
            return Err(Refused::NoWorker(unmatched(text, &matching, &connected)));
        };
        if let Some(member) = self.roster.get_mut(&worker) {
            member.draining = true;
        }
        group.effects.push(Effect::Send(session, ToWorker::Drain));
        Ok(Answer::Draining(worker))
    }
}

/// Whether two studies ask for the same, whatever they are called.
fn agree(study: &StudySpec, asked: &StudySpec) -> bool {
    study.agrees(&StudySpec { name: study.name.clone(), ..asked.clone() })
}

/// Why a text means no worker: none is so called, or it is the beginning of several.
fn unmatched(text: &str, matching: &[(WorkerId, SessionId)], connected: &[(WorkerId, SessionId)]) -> String {
    let names = |workers: &[(WorkerId, SessionId)]| {
        let named: Vec<&str> = workers.iter().take(LISTED).map(|(worker, _)| worker.as_str()).collect();
        let more = workers.len().saturating_sub(LISTED);
        let named = named.join(", ");
        if more > 0 { format!("{named} and {more} more") } else { named }
    };
    // It is as long as whoever asks likes.
    let text: String = text.chars().take(64).collect();
    match (matching, connected) {
        ([], []) => format!("no worker matches `{text}`: none is connected"),
        ([], connected) => format!("no worker matches `{text}`: connected are {}", names(connected)),
        (several, _) => format!("more than one worker matches `{text}`: {}", names(several)),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use common::view::DeviceFacts;

    use super::{
        super::super::{Hello, Input},
        *,
    };

    #[test]
    fn a_worker_that_nothing_or_too_much_matches_is_told_apart() {
        let mut machine = Machine::recover(Vec::new(), Duration::from_secs(30), Timestamp(0)).unwrap();
        let said = |machine: &mut Machine, text: &str| {
            machine.drain(text, &mut Group::default()).unwrap_err().to_string()
        };
        assert_eq!(said(&mut machine, "lab"), "no worker matches `lab`: none is connected");
        let hello = |number: u64| Hello {
            worker: format!("lab-{number}").parse().unwrap(),
            incarnation: number,
            held: BTreeSet::new(),
            device: DeviceFacts::default(),
            slots: 1,
            version: String::new(),
            data: BTreeSet::new(),
        };
        let connected = |number: u64| Input::Connected { session: SessionId(number), hello: hello(number) };
        machine.handle(Timestamp(1), [1, 2].map(connected).into());
        assert_eq!(said(&mut machine, "nope"), "no worker matches `nope`: connected are lab-1, lab-2");
        assert_eq!(said(&mut machine, "lab"), "more than one worker matches `lab`: lab-1, lab-2");
        assert!(machine.drain("lab-1", &mut Group::default()).is_ok());
    }
}
