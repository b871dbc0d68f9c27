use std::collections::{BTreeMap, BTreeSet};

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::Scored,
    ids::{Attempt, TrialNumber, WorkerId},
    metrics::TestMetrics,
    random::{Purpose, Stream, Words},
    study::StudySpec,
    time::Timestamp,
    view::StudyPhase,
};
use scheduler::{Event, Input, Refusal, Study, Work, audit::audit};

/// A study of the formula model over one continuous parameter, with more YAML.
pub(crate) fn spec(more: &str) -> StudySpec {
    let space = if more.contains("space:") { "" } else { "space: {x: {float: [0.0, 1.0]}}\n" };
    StudySpec::from_yaml(&format!("name: played\nmodel: formula\n{space}{more}\n")).unwrap()
}

/// A Hyperband study.
pub(crate) fn hyperband(max_epochs: u32, eta: u32) -> StudySpec {
    spec(&format!("scheduler: {{kind: hyperband, max_epochs: {max_epochs}, eta: {eta}}}"))
}

pub(crate) fn worker(number: u32) -> WorkerId {
    format!("w-{number}").parse().unwrap()
}

pub(crate) fn begin(spec: StudySpec) -> (Study, Vec<Event>) {
    let log = Study::create(spec, Timestamp(0));
    (Study::replay(&log).unwrap(), log)
}

/// What training does, as a function of seeds alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Nature {
    pub(crate) seed: u64,
    /// Of a hundred (trial, rung): objectives that are not finite.
    pub(crate) not_finite: u32,
    /// Of a hundred (trial, rung): trainers that die at every attempt.
    pub(crate) deadly: u32,
    /// Of a hundred trials: those that stop early.
    pub(crate) early: u32,
    /// Values are rounded to so many steps, so that ties are common; 0 for none.
    pub(crate) steps: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Value { epochs: u32, value: f64, val_loss: f64, early_stopped: bool },
    NotFinite { epochs: u32 },
    Dies,
}

impl Nature {
    pub(crate) fn outcome(&self, trial: TrialNumber, from: u32, to: u32) -> Outcome {
        let words = |epoch| Stream::new(self.seed, Purpose::Split).epoch(trial.0).step(epoch).words();
        let mut fate = words(to);
        if fate.below(100) < self.deadly {
            return Outcome::Dies;
        }
        if fate.below(100) < self.not_finite {
            return Outcome::NotFinite { epochs: (from + 1).max(to / 2) };
        }
        let mut own = words(0);
        let stops = (own.below(100) < self.early).then(|| 1 + own.below(to));
        let epochs = stops.map_or(to, |stop| stop.clamp(from.max(1), to));
        let mut noise = words(epochs + 1_000_000);
        let value = own.unit() * 0.5 + noise.unit() * 0.5;
        let value = if self.steps > 0 { (value * f64::from(self.steps)).floor() } else { value };
        let val_loss = if self.steps > 0 { f64::from(noise.below(2)) } else { noise.unit() };
        Outcome::Value { epochs, value, val_loss, early_stopped: stops.is_some() && epochs < to }
    }
}

/// The checkpoint that a trial has at an epoch, whoever trained it.
pub(crate) fn checkpoint(trial: TrialNumber, epoch: u32) -> Checkpoint {
    let digest = |part: u32| {
        let word = |i: u32| philox(trial.0, epoch, part, i);
        let mut bytes = [0; 32];
        bytes.chunks_mut(16).zip(0..).for_each(|(chunk, i)| {
            chunk
                .iter_mut()
                .zip(word(i).iter().flat_map(|w| w.to_le_bytes()))
                .for_each(|(to, from)| *to = from);
        });
        Digest::from(bytes)
    };
    Checkpoint { epoch, weights: digest(0), state: digest(1) }
}

fn philox(a: u32, b: u32, c: u32, d: u32) -> [u32; 4] {
    common::random::philox4x32_10([a, b, c, d], [1, 2])
}

/// What a worker says when it has done its work undisturbed.
pub(crate) fn done(nature: &Nature, trial: TrialNumber, attempt: Attempt, work: Work) -> Input {
    match work {
        Work::Evaluate { .. } => {
            let test = TestMetrics { accuracy: 0.5, loss: 1.5, clean: None };
            let scored = Scored { metrics: test, probabilities: Some(Digest::of(&trial.0.to_le_bytes())) };
            Input::Evaluated { trial, attempt, test, probabilities: None, validation: Some(scored) }
        }
        Work::Train { from_epoch, to_epoch, .. } => match nature.outcome(trial, from_epoch, to_epoch) {
            Outcome::Value { epochs, value, val_loss, early_stopped } => Input::Finished {
                trial,
                attempt,
                epochs,
                value,
                val_loss,
                checkpoint: checkpoint(trial, epochs),
                early_stopped,
            },
            Outcome::NotFinite { epochs } => Input::NotFinite { trial, attempt, epochs, value: f64::NAN },
            Outcome::Dies => Input::Failed { trial, attempt, reason: "killed by signal 9".to_owned() },
        },
    }
}

/// Plays a study with as many workers, each of which finishes before the next begins again.
pub(crate) fn play(spec: StudySpec, nature: &Nature, workers: u32) -> (Study, Vec<Event>) {
    let (mut study, mut log) = begin(spec);
    let mut now = 0;
    while study.phase() != StudyPhase::Finished {
        now += 1;
        assert!(now < 1_000_000, "the study does not end");
        let ask = Input::alone(worker(0), workers);
        log.extend(study.step(Timestamp(now), &ask).unwrap());
        let out: Vec<_> = study.leases().map(|(trial, lease)| (trial, lease.attempt, lease.work)).collect();
        for (trial, attempt, work) in out {
            // An earlier one of these may have ended the study.
            if study.lease(trial).is_some() {
                log.extend(study.step(Timestamp(now), &done(nature, trial, attempt, work)).unwrap());
            }
        }
    }
    (study, log)
}

/// The result table: what must not depend on timing.
pub(crate) fn table(study: &Study) -> Vec<String> {
    let row = |trial: &scheduler::Trial| {
        let weights = trial.checkpoint.map(|checkpoint| checkpoint.weights.short());
        format!(
            "{} {} {} {} {} {:?} {} {:?} {:?}",
            trial.number,
            trial.bracket,
            trial.rung,
            trial.epochs,
            trial.state,
            trial.value,
            trial.hparams,
            weights,
            trial.evaluation
        )
    };
    let mut table: Vec<_> = study.trials().map(row).collect();
    let end = (study.best().map(|best| best.number), study.complete(), study.test_touches());
    table.push(format!("{end:?}"));
    table
}

/// Which trials were promoted to which rung.
pub(crate) fn promoted(log: &[Event]) -> BTreeSet<(TrialNumber, u32)> {
    let promotion = |event: &Event| match *event {
        Event::Promoted { trial, to_rung } => Some((trial, to_rung)),
        _ => None,
    };
    log.iter().filter_map(promotion).collect()
}

/// What befalls messages and machines.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    pub(crate) workers: u32,
    /// Of a hundred steps: a lease is lost, or handed back.
    pub(crate) lost: u32,
    /// Of a hundred steps: a checkpoint inside a lease.
    pub(crate) checkpoints: u32,
    /// Of a hundred steps: an old message arrives again.
    pub(crate) repeated: u32,
    /// Of a hundred steps: the study is paused or resumed, or time goes by.
    pub(crate) pauses: u32,
}

/// One input that a study was given, and what it answered.
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) input: Input,
    pub(crate) answer: Result<Vec<Event>, Refusal>,
}

/// Plays a study in bad weather; every state on the way is checked, and the log at the end.
pub(crate) struct Storm {
    pub(crate) study: Study,
    pub(crate) log: Vec<Event>,
    pub(crate) moments: Vec<Moment>,
    /// Messages under leases that were lost, which have never arrived.
    late: Vec<Input>,
    nature: Nature,
    weather: Weather,
    words: Words,
    now: u64,
    lost_in_a_row: BTreeMap<TrialNumber, u32>,
}

impl Storm {
    pub(crate) fn play(spec: StudySpec, nature: Nature, weather: Weather) -> Self {
        let (study, log) = begin(spec);
        let words = Stream::new(weather.seed, Purpose::Order).words();
        let mut storm = Self {
            study,
            log,
            moments: Vec::new(),
            late: Vec::new(),
            nature,
            weather,
            words,
            now: 0,
            lost_in_a_row: BTreeMap::new(),
        };
        let mut steps = 0;
        while storm.study.phase() != StudyPhase::Finished {
            storm.blow();
            let flaws = storm.study.violations();
            assert!(flaws.is_empty(), "{flaws:#?}\nafter {:#?}", storm.log.last());
            steps += 1;
            assert!(steps < 20_000, "the study does not end");
        }
        let flaws = audit(&storm.log);
        assert!(flaws.is_empty(), "{flaws:#?}");
        storm
    }

    /// One step.
    fn blow(&mut self) {
        self.now += u64::from(self.words.below(3_000));
        let leases: Vec<_> = self.study.leases().map(|(trial, l)| (trial, l.attempt, l.work)).collect();
        let free = self.weather.workers - leases.len() as u32;
        let Weather { lost, checkpoints, repeated, pauses, .. } = self.weather;
        if self.words.below(100) < pauses {
            let paused = self.study.phase() == StudyPhase::Paused;
            self.send(if paused { Input::Resume } else { Input::Pause });
        }
        if self.study.next_deadline().is_some_and(|deadline| deadline.0 <= self.now) {
            self.send(Input::Tick);
        }
        if !self.late.is_empty() && self.words.below(100) < repeated {
            let late = self.words.below(self.late.len() as u32) as usize;
            self.repeat(self.late[late].clone());
        }
        if !self.moments.is_empty() && self.words.below(100) < repeated {
            let old = self.words.below(self.moments.len() as u32) as usize;
            self.repeat(self.moments[old].input.clone());
        }
        if free > 0 && (leases.is_empty() || self.words.below(2) == 0) {
            let most = 1 + self.words.below(free);
            let worker = worker(self.words.below(self.weather.workers));
            self.send(Input::alone(worker, most));
            return;
        }
        if leases.is_empty() {
            return;
        }
        let (trial, attempt, work) = leases[self.words.below(leases.len() as u32) as usize];
        let chance = self.words.below(100);
        if chance < lost {
            self.lose(trial, attempt, work);
        } else if chance < lost + checkpoints {
            self.checkpoint(trial, attempt, work);
        } else {
            self.send(done(&self.nature, trial, attempt, work));
        }
    }

    /// A lease is lost or handed back, but never so often in a row that the trial would be given up.
    fn lose(&mut self, trial: TrialNumber, attempt: Attempt, work: Work) {
        let in_a_row = self.lost_in_a_row.entry(trial).or_default();
        if self.words.below(2) == 0 && *in_a_row < 4 {
            *in_a_row += 1;
            // Its worker goes on and reports, some time later.
            self.late.push(done(&self.nature, trial, attempt, work));
            self.send(Input::Lost { trial, attempt });
            return;
        }
        let inside = self.inside(trial, work);
        if inside.is_some() {
            self.lost_in_a_row.insert(trial, 0);
        }
        self.send(Input::Released { trial, attempt, checkpoint: inside });
    }

    fn checkpoint(&mut self, trial: TrialNumber, attempt: Attempt, work: Work) {
        if let Some(checkpoint) = self.inside(trial, work) {
            self.send(Input::Checkpointed { trial, attempt, checkpoint });
        }
    }

    /// A checkpoint that an undisturbed trainer would have between a lease's epochs.
    fn inside(&mut self, trial: TrialNumber, work: Work) -> Option<Checkpoint> {
        let Work::Train { from_epoch, to_epoch, .. } = work else {
            return None;
        };
        let last = match self.nature.outcome(trial, from_epoch, to_epoch) {
            Outcome::Value { epochs, .. } | Outcome::NotFinite { epochs } => epochs.saturating_sub(1),
            Outcome::Dies => from_epoch,
        };
        let epoch = from_epoch + self.words.below(last.saturating_sub(from_epoch) + 1);
        (epoch > from_epoch).then(|| checkpoint(trial, epoch))
    }

    fn send(&mut self, input: Input) {
        let now = Timestamp(self.now);
        let answer = self.study.step(now, &input);
        assert!(answer.is_ok(), "{input:?} gives {answer:?}");
        self.log.extend(answer.iter().flatten().cloned());
        assert!(self.study.consequences(now).is_empty());
        self.moments.push(Moment { now, input, answer });
    }

    /// Sends an old message about a lease again: it changes nothing, whatever it says.
    fn repeat(&mut self, input: Input) {
        let Some((trial, attempt)) = input.lease() else {
            return;
        };
        let current = self.study.lease(trial).is_some_and(|lease| lease.attempt == attempt);
        let answer = self.study.step(Timestamp(self.now), &input);
        match &answer {
            Ok(events) => {
                let ticked = |event: &Event| matches!(event, Event::BudgetEnded { .. });
                assert!(events.is_empty() || ticked(&events[0]), "{input:?} again gives {events:?}");
            }
            Err(Refusal::StaleLease { .. }) => assert!(!current),
            Err(other) => panic!("{input:?} again gives {other}"),
        }
        self.log.extend(answer.iter().flatten().cloned());
        self.moments.push(Moment { now: Timestamp(self.now), input, answer });
    }
}
