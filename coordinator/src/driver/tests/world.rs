//! The small world: a coordinator, the log of its one study, and workers that do as they are told.

use std::{collections::BTreeSet, time::Duration};

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::{Evaluation, Scored},
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::StudySpec,
    time::Timestamp,
    view::{DeviceFacts, LeaseId},
};
use scheduler::{Event, Study, Trial, Work};

use super::{
    super::{
        Answer, Effect, Grant, Happened, Hello, Input, Machine, OnConflict, Report, Request, RequestId,
        SessionId, ToWorker,
    },
    LEASE,
};
use crate::store::StoredStudy;

/// A coordinator, its store, and workers with one slot each.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) log: Vec<Event>,
    pub(super) now: Timestamp,
    pub(super) workers: Vec<Worker>,
    pub(super) sessions: u64,
}

#[derive(Default)]
pub(super) struct Worker {
    pub(super) session: Option<SessionId>,
    pub(super) incarnation: u64,
    pub(super) grants: Vec<Grant>,
    /// Leases that have come by this stream.
    pub(super) granted: u64,
    /// Reports that were sent and not acknowledged.
    pub(super) unacknowledged: Vec<(u64, Vec<Report>)>,
    pub(super) sequence: u64,
}

impl Worker {
    /// Says how many leases it can take: one slot, less what it holds.
    pub(super) fn free(&self, session: SessionId) -> Input {
        let free = u32::from(self.grants.is_empty());
        Input::Credits { session, free, granted: self.granted }
    }
}

impl World {
    pub(super) fn new(workers: usize) -> Self {
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
    pub(super) fn handle(&mut self, inputs: Vec<Input>) {
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

    pub(super) fn deliver(&mut self, session: SessionId, message: ToWorker) {
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

    pub(super) fn close(&mut self, session: SessionId) {
        for worker in &mut self.workers {
            worker.session = worker.session.filter(|open| *open != session);
        }
    }

    pub(super) fn connect(&mut self, index: usize) {
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
    pub(super) fn act(&mut self, index: usize, lose_answer: bool) {
        self.act_with(index, lose_answer, outcome);
    }

    /// A worker on a machine that fails whatever it is given does what is next.
    pub(super) fn act_badly(&mut self, index: usize) {
        self.act_with(index, false, |_| Happened::Failed("no kernel image".to_owned()));
    }

    fn act_with(&mut self, index: usize, lose_answer: bool, outcome: impl Fn(&Grant) -> Happened) {
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
    pub(super) fn cut_power(&mut self, index: usize) {
        let incarnation = self.workers[index].incarnation + 1;
        self.workers[index] = Worker { incarnation, ..Worker::default() };
    }

    /// Nobody says anything until the machine's deadline, and while it hears them out.
    pub(super) fn fall_silent(&mut self) {
        for _ in 0..2 {
            if let Some(deadline) = self.machine.next_deadline() {
                self.now = self.now.max(deadline);
            }
            self.handle(Vec::new());
        }
    }

    pub(super) fn kill_worker(&mut self, index: usize) {
        let incarnation = self.workers[index].incarnation + 1;
        let session = self.workers[index].session;
        self.workers[index] = Worker { incarnation, ..Worker::default() };
        if let Some(session) = session {
            self.handle(vec![Input::Disconnected { session }]);
        }
    }

    /// A new machine from the log; what the old one held in memory is gone, and so are all streams.
    pub(super) fn restart(&mut self) {
        let before = Study::replay(&self.log).unwrap();
        let log = if before.finished().is_some() { Vec::new() } else { self.log.clone() };
        let stored = StoredStudy { id: "00000001".parse().unwrap(), name: "s".parse().unwrap(), log };
        self.machine = Machine::recover(vec![stored], LEASE, self.now).unwrap();
        for worker in &mut self.workers {
            worker.session = None;
        }
    }

    pub(super) fn finished(&self) -> bool {
        matches!(self.log.last(), Some(Event::Finished { .. }))
    }

    /// What must be the same whatever happened.
    pub(super) fn table(&self) -> Vec<(u32, String, String)> {
        let study = Study::replay(&self.log).unwrap();
        let row = |trial: &Trial| {
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
    pub(super) fn most_losses(&self) -> usize {
        let lost = |event: &Event| matches!(event, Event::LeaseLost { .. }).then(|| event.trial()).flatten();
        let trials: Vec<_> = self.log.iter().filter_map(lost).collect();
        trials.iter().map(|trial| trials.iter().filter(|other| *other == trial).count()).max().unwrap_or(0)
    }

    pub(super) fn play_out(&mut self) -> Vec<(u32, String, String)> {
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
pub(super) fn outcome(grant: &Grant) -> Happened {
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
            let metrics = TestMetrics { accuracy: 0.5, loss: 1.0, clean: None };
            let scored = Scored { metrics, probabilities: Some(Digest::of(b"")) };
            Happened::Evaluated(Evaluation {
                epoch: checkpoint.epoch,
                test: scored,
                validation: Some(scored),
            })
        }
    }
}
