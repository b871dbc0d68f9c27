//! The machine in a small world: workers that train by a formula, a store that is a list, and time that jumps.

mod damage;

mod order;

mod rivals;

mod senseless;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::{Evaluation, Scored},
    metrics::{CurvePoint, Metrics},
    study::StudySpec,
    time::Timestamp,
    view::{DeviceFacts, LeaseId},
};
use proptest::prelude::*;
use scheduler::{Event, Study, Work};

use super::{
    Answer, Effect, Grant, Happened, Hello, Input, Machine, NotTaken, OnConflict, Report, Request, RequestId,
    SessionId, ToWorker,
};
use crate::store::StoredStudy;

const LEASE: Duration = Duration::from_secs(30);

/// A coordinator, its store, and workers with one slot each.
struct World {
    machine: Machine,
    log: Vec<Event>,
    now: Timestamp,
    workers: Vec<Worker>,
    sessions: u64,
}

#[derive(Default)]
struct Worker {
    session: Option<SessionId>,
    incarnation: u64,
    grants: Vec<Grant>,
    /// Leases that have come by this stream.
    granted: u64,
    /// Reports that were sent and not acknowledged.
    unacknowledged: Vec<(u64, Vec<Report>)>,
    sequence: u64,
}

impl Worker {
    /// Says how many leases it can take: one slot, less what it holds.
    fn free(&self, session: SessionId) -> Input {
        let free = u32::from(self.grants.is_empty());
        Input::Credits { session, free, granted: self.granted }
    }
}

impl World {
    fn new(workers: usize) -> Self {
        let machine = Machine::recover(Vec::new(), LEASE, Timestamp(0)).unwrap();
        let workers = (0..workers).map(|_| Worker::default()).collect();
        let mut world = Self { machine, log: Vec::new(), now: Timestamp(1), workers, sessions: 0 };
        let spec = StudySpec::from_yaml(
            "name: s\nmodel: formula\nspace: {width: {int: [1, 999]}}\n\
             scheduler: {kind: hyperband, max_epochs: 9, eta: 3}",
        );
        let submit = Request::Submit {
            id: "00000001".parse().unwrap(),
            spec: Box::new(spec.unwrap()),
            on_conflict: OnConflict::Refuse,
        };
        world.handle(vec![Input::Asked { id: RequestId(0), request: submit }]);
        world
    }

    /// Handles inputs; "commits" and then delivers what the machine says.
    fn handle(&mut self, inputs: Vec<Input>) {
        let group = self.machine.handle(self.now, inputs);
        for (_, sequence, event) in group.commit.events {
            assert_eq!(sequence as usize, self.log.len(), "events are numbered without a gap");
            self.log.push(event);
        }
        for effect in group.effects {
            match effect {
                Effect::Send(session, message) => self.deliver(session, message),
                Effect::Close(session) | Effect::Refuse(session, _) => self.close(session),
                Effect::Answer(_, answer) => assert!(matches!(answer, Ok(Answer::Submitted { .. }))),
                Effect::Publish(_) | Effect::DeleteObjects(_) => {}
            }
        }
    }

    fn deliver(&mut self, session: SessionId, message: ToWorker) {
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.session == Some(session)) else {
            return;
        };
        match message {
            ToWorker::Welcome { still_yours, .. } => {
                worker.grants.retain(|grant| still_yours.contains(&grant.lease));
            }
            ToWorker::Grants(grants) => {
                worker.granted += grants.len() as u64;
                worker.grants.extend(grants);
            }
            ToWorker::Ack(sequence) => worker.unacknowledged.retain(|(sent, _)| *sent > sequence),
            ToWorker::Revoke(leases) => worker.grants.retain(|grant| !leases.contains(&grant.lease)),
            ToWorker::Study(..) | ToWorker::Drain => {}
        }
    }

    fn close(&mut self, session: SessionId) {
        for worker in &mut self.workers {
            worker.session = worker.session.filter(|open| *open != session);
        }
    }

    fn connect(&mut self, index: usize) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let worker = &mut self.workers[index];
        worker.session = Some(session);
        worker.granted = 0;
        let reported =
            worker.unacknowledged.iter().flat_map(|(_, reports)| reports.iter().map(|r| r.lease.clone()));
        let held: BTreeSet<LeaseId> =
            worker.grants.iter().map(|grant| grant.lease.clone()).chain(reported).collect();
        let hello = Hello {
            worker: format!("w{index}").parse().unwrap(),
            incarnation: worker.incarnation,
            held,
            device: DeviceFacts::default(),
            slots: 1,
            version: String::new(),
            data: BTreeSet::new(),
        };
        let again = worker.unacknowledged.clone();
        self.handle(vec![Input::Connected { session, hello }]);
        let resent =
            again.into_iter().map(|(sequence, reports)| Input::Reports { session, sequence, reports });
        self.handle(resent.chain([self.workers[index].free(session)]).collect());
    }

    /// A worker does what is next: connects, or finishes its oldest grant.
    fn act(&mut self, index: usize, lose_answer: bool) {
        let Some(session) = self.workers[index].session else { return self.connect(index) };
        let worker = &mut self.workers[index];
        if worker.grants.is_empty() {
            return self.handle(vec![self.workers[index].free(session)]);
        }
        let grant = worker.grants.remove(0);
        worker.sequence += 1;
        let reports = vec![Report { lease: grant.lease.clone(), what: outcome(&grant) }];
        worker.unacknowledged.push((worker.sequence, reports.clone()));
        let sequence = worker.sequence;
        if lose_answer {
            worker.session = None;
        }
        self.handle(vec![Input::Reports { session, sequence, reports }]);
        self.handle(vec![self.workers[index].free(session)]);
        if lose_answer {
            self.handle(vec![Input::Disconnected { session }]);
        }
    }

    /// The worker's machine dies: its stream stays open, and silent.
    fn cut_power(&mut self, index: usize) {
        let incarnation = self.workers[index].incarnation + 1;
        self.workers[index] = Worker { incarnation, ..Worker::default() };
    }

    /// Nobody says anything until the machine's deadline, and while it hears them out.
    fn fall_silent(&mut self) {
        for _ in 0..2 {
            if let Some(deadline) = self.machine.next_deadline() {
                self.now = self.now.max(deadline);
            }
            self.handle(Vec::new());
        }
    }

    fn kill_worker(&mut self, index: usize) {
        let incarnation = self.workers[index].incarnation + 1;
        let session = self.workers[index].session;
        self.workers[index] = Worker { incarnation, ..Worker::default() };
        if let Some(session) = session {
            self.handle(vec![Input::Disconnected { session }]);
        }
    }

    /// A new machine from the log; what the old one held in memory is gone, and so are all streams.
    fn restart(&mut self) {
        let before = Study::replay(&self.log).unwrap();
        let log = if before.finished().is_some() { Vec::new() } else { self.log.clone() };
        let stored = StoredStudy { id: "00000001".parse().unwrap(), name: "s".parse().unwrap(), log };
        self.machine = Machine::recover(vec![stored], LEASE, self.now).unwrap();
        for worker in &mut self.workers {
            worker.session = None;
        }
    }

    fn finished(&self) -> bool {
        matches!(self.log.last(), Some(Event::Finished { .. }))
    }

    /// What must be the same whatever happened.
    fn table(&self) -> Vec<(u32, String, String)> {
        let study = Study::replay(&self.log).unwrap();
        let row = |trial: &scheduler::Trial| {
            let weights = trial.checkpoint.map(|checkpoint| checkpoint.weights);
            (
                trial.epochs,
                trial.hparams.key(),
                format!("{:?} {:?} {:?} {weights:?}", trial.rung, trial.state, trial.value),
            )
        };
        study.trials().map(row).collect()
    }

    /// Leases that one trial has lost, at most.
    fn most_losses(&self) -> usize {
        let lost = |event: &Event| matches!(event, Event::LeaseLost { .. }).then(|| event.trial()).flatten();
        let trials: Vec<_> = self.log.iter().filter_map(lost).collect();
        trials.iter().map(|trial| trials.iter().filter(|other| *other == trial).count()).max().unwrap_or(0)
    }

    fn play_out(&mut self) -> Vec<(u32, String, String)> {
        for round in 0..10_000 {
            if self.finished() {
                return self.table();
            }
            self.now = self.now + Duration::from_millis(100);
            self.act(round % self.workers.len(), false);
        }
        panic!("the study does not end: {:#?}", self.log.iter().rev().take(5).collect::<Vec<_>>());
    }
}

/// The formula: what a grant's work comes to.
fn outcome(grant: &Grant) -> Happened {
    let checkpoint = |epoch: u32| {
        let digest = Digest::of(format!("{} {} {epoch}", grant.seed, grant.hparams).as_bytes());
        Checkpoint { epoch, weights: digest, state: digest }
    };
    match &grant.work {
        Work::Train { to_epoch, resume, from_epoch } => {
            assert_eq!(
                *resume,
                Some(*from_epoch).filter(|epoch| *epoch > 0).map(checkpoint),
                "resumes what was stored"
            );
            let value = f64::from(grant.hparams.int("width").unwrap() as i32) + f64::from(*to_epoch);
            let metrics = Metrics {
                train_loss: 0.0,
                train_accuracy: 0.0,
                val_loss: 1.0,
                val_accuracy: value,
                val_macro_f1: 0.0,
            };
            let last = CurvePoint { epoch: *to_epoch, metrics, learning_rate: 0.0, seconds: 0.0 };
            Happened::Finished {
                last,
                best: metrics,
                checkpoint: checkpoint(*to_epoch),
                early_stopped: false,
                restored: None,
            }
        }
        Work::Evaluate { checkpoint } => {
            let metrics = common::metrics::TestMetrics { accuracy: 0.5, loss: 1.0, clean: None };
            let scored = Scored { metrics, probabilities: Some(Digest::of(b"")) };
            Happened::Evaluated(Evaluation {
                epoch: checkpoint.epoch,
                test: scored,
                validation: Some(scored),
            })
        }
    }
}

fn undisturbed() -> Vec<(u32, String, String)> {
    World::new(1).play_out()
}

#[test]
fn a_study_ends_with_all_its_trials() {
    assert_eq!(undisturbed().len(), 17, "9 + 5 + 3 trials");
}

#[test]
fn a_silent_worker_loses_its_leases_after_their_term() {
    let mut world = World::new(2);
    world.act(0, false);
    let lease = world.workers[0].grants[0].lease.clone();
    let granted = world.now;
    world.fall_silent();
    let lost = Event::LeaseLost { trial: lease.trial, attempt: lease.attempt };
    assert!(world.log.contains(&lost), "{:?}", world.log);
    assert_eq!(world.now, granted + LEASE + Duration::from_millis(100), "its term, and hearing it out");
}

#[test]
fn a_worker_whose_stream_has_ended_has_a_second_to_come_back() {
    let mut world = World::new(1);
    world.act(0, false);
    let ended = world.now;
    world.kill_worker(0);
    world.fall_silent();
    assert_eq!(world.most_losses(), 1);
    assert_eq!(world.now, ended + Duration::from_millis(1_100));
}

#[test]
fn a_coordinator_that_was_stopped_itself_expires_nobody() {
    let mut world = World::new(1);
    world.act(0, false);
    let session = world.workers[0].session.unwrap();
    world.now = world.machine.next_deadline().unwrap() + Duration::from_secs(600);
    world.handle(Vec::new());
    // One that has to connect again takes longer than its words would take.
    world.now = world.now + Duration::from_secs(1);
    world.handle(Vec::new());
    world.handle(vec![Input::Heartbeat { session }]);
    assert_eq!(world.most_losses(), 0);
}

/// However short or long it was stopped, and even where it looks at its clock before it reads what has come.
#[test]
fn whoever_lives_is_heard_out_after_a_stop() {
    for late in [0, 1, 50, 100, 101, 500, 1_000, 60_000] {
        let mut world = World::new(1);
        world.act(0, false);
        let session = world.workers[0].session.unwrap();
        for _ in 0..3 {
            world.now = world.machine.next_deadline().unwrap() + Duration::from_millis(late);
            world.handle(Vec::new());
            world.now = world.now + Duration::from_millis(20);
            world.handle(vec![Input::Heartbeat { session }]);
        }
        assert_eq!(world.most_losses(), 0, "{late} ms late: {:?}", world.log);
        // Stopped once more in the middle of it.
        world.now = world.machine.next_deadline().unwrap();
        world.handle(Vec::new());
        world.now = world.machine.next_deadline().unwrap() + Duration::from_secs(90);
        world.handle(Vec::new());
        world.handle(vec![Input::Heartbeat { session }]);
        assert_eq!(world.most_losses(), 0, "{late} ms late: {:?}", world.log);
        world.fall_silent();
        assert_eq!(world.most_losses(), 1, "silence still ends it");
    }
}

/// Commits that take longer than anybody is heard out for are no reason to wait for the dead.
#[test]
fn a_dead_worker_is_found_out_by_a_busy_coordinator() {
    let mut world = World::new(1);
    world.act(0, false);
    let granted = world.now;
    while world.now.since(granted) < LEASE + Duration::from_secs(1) {
        world.handle(Vec::new());
        world.now = world.now + Duration::from_millis(250);
        world.machine.listens(world.now);
    }
    assert_eq!(world.most_losses(), 1, "{:?}", world.log);
}

#[test]
fn leases_of_a_log_get_a_full_term_after_a_restart() {
    let mut world = World::new(1);
    world.act(0, false);
    world.now = world.now + Duration::from_secs(29);
    world.restart();
    world.now = world.now + Duration::from_secs(29);
    world.act(0, false);
    assert_eq!(world.workers[0].grants.len(), 1, "the lease is still the worker's");
    assert_eq!(world.most_losses(), 0);
}

#[test]
fn a_worker_that_comes_back_is_told_what_is_its_own_no_longer() {
    let mut world = World::new(2);
    world.act(0, false);
    let lost = world.workers[0].grants[0].lease.clone();
    world.fall_silent();
    world.act(1, false);
    assert_eq!(world.workers[1].grants[0].lease.trial, lost.trial, "it was given to another");
    assert_eq!(world.workers[0].grants[0].lease, lost, "it still works on it");
    world.connect(0);
    assert!(world.workers[0].grants.iter().all(|grant| grant.lease != lost), "{:?}", world.workers[0].grants);
}

#[test]
fn a_worker_that_missed_its_drain_hears_of_it_on_its_next_stream() {
    for idle in [false, true] {
        misses_its_drain(idle);
    }
}

fn misses_its_drain(idle: bool) {
    let mut world = World::new(1);
    if idle {
        world.play_out();
    }
    world.act(0, false);
    assert_eq!(world.workers[0].grants.is_empty(), idle);
    let drain = Request::DrainWorker("w0".to_owned());
    world.machine.handle(world.now, vec![Input::Asked { id: RequestId(1), request: drain }]);
    let session = world.workers[0].session.unwrap();
    world.machine.handle(world.now, vec![Input::Disconnected { session }]);
    let held = world.workers[0].grants.iter().map(|grant| grant.lease.clone()).collect();
    let hello = Hello {
        worker: "w0".parse().unwrap(),
        incarnation: 0,
        held,
        device: DeviceFacts::default(),
        slots: 1,
        version: String::new(),
        data: BTreeSet::new(),
    };
    let session = SessionId(99);
    let group = world.machine.handle(world.now, vec![Input::Connected { session, hello }]);
    assert!(group.effects.contains(&Effect::Send(session, ToWorker::Drain)), "{:?}", group.effects);
}

#[derive(Debug, Clone)]
enum Step {
    Act(usize),
    LoseAnswer(usize),
    Kill(usize),
    CutPower(usize),
    Silence,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = 0..3usize;
    let step = prop_oneof![
        16 => worker.clone().prop_map(Step::Act),
        2 => worker.clone().prop_map(Step::LoseAnswer),
        1 => worker.clone().prop_map(Step::Kill),
        1 => worker.prop_map(Step::CutPower),
        1 => Just(Step::Silence),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..100)
}

proptest! {
    /// The promise: no kill, lost answer, silence or restart changes the result, as long as no trial takes five
    /// workers with it.
    #[test]
    fn whatever_happens_the_table_is_the_same(steps in steps()) {
        let mut world = World::new(3);
        for step in steps {
            world.now = world.now + Duration::from_millis(300);
            match step {
                Step::Act(worker) => world.act(worker, false),
                Step::LoseAnswer(worker) => world.act(worker, true),
                Step::Kill(worker) => world.kill_worker(worker),
                Step::CutPower(worker) => world.cut_power(worker),
                Step::Silence => world.fall_silent(),
                Step::Restart => world.restart(),
            }
        }
        let table = world.play_out();
        prop_assume!(world.most_losses() < 5);
        prop_assert_eq!(table, undisturbed());
    }
}

/// The map from studies to logs that the machine writes is all that it needs: nothing else survives a restart.
#[test]
fn the_log_is_the_state() {
    let mut world = World::new(2);
    for round in 0..12 {
        world.act(round % 2, false);
        let replayed = Study::replay(&world.log).unwrap();
        let counted: BTreeMap<_, _> =
            replayed.leases().map(|(trial, lease)| (trial, lease.attempt)).collect();
        let held: BTreeMap<_, _> = world
            .workers
            .iter()
            .flat_map(|worker| worker.grants.iter().map(|grant| (grant.lease.trial, grant.lease.attempt)))
            .collect();
        assert_eq!(counted, held, "a worker holds what the log says, no more and no less");
    }
}
