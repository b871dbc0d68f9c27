//! Whose work an idle worker gets.

use common::ids::StudyId;

use super::*;

/// A machine, one worker, and what it was given to do.
struct Bench {
    machine: Machine,
    grants: Vec<Grant>,
    granted: u64,
    sequence: u64,
    now: Timestamp,
}

const SESSION: SessionId = SessionId(1);

fn id(study: u64) -> StudyId {
    format!("{study:08}").parse().unwrap()
}

impl Bench {
    /// A worker that is there, and has said nothing of free slots yet.
    fn new(slots: u32) -> Self {
        let machine = Machine::recover(Vec::new(), LEASE, Timestamp(0)).unwrap();
        let mut bench = Self { machine, grants: Vec::new(), granted: 0, sequence: 0, now: Timestamp(1) };
        let hello = Hello {
            worker: "w".parse().unwrap(),
            incarnation: 1,
            held: BTreeSet::new(),
            device: DeviceFacts::default(),
            slots,
            version: String::new(),
            data: BTreeSet::new(),
        };
        bench.handle(Input::Connected { session: SESSION, hello });
        bench
    }

    fn handle(&mut self, input: Input) {
        self.now = self.now + Duration::from_millis(100);
        for effect in self.machine.handle(self.now, vec![input]).effects {
            if let Effect::Send(_, ToWorker::Grants(grants)) = effect {
                self.granted += grants.len() as u64;
                self.grants.extend(grants);
            }
        }
    }

    fn ask(&mut self, request: Request) {
        self.handle(Input::Asked { id: RequestId(0), request });
    }

    /// Submits a study of so many listed trials.
    fn submit(&mut self, study: u64, trials: u64) {
        let listed: String = (0..trials).map(|n| format!("    - {{hparams: {{width: {n}}}}}\n")).collect();
        self.submit_with(study, &format!("scheduler:\n  kind: fixed\n  epochs: 2\n  trials:\n{listed}"));
    }

    fn submit_with(&mut self, study: u64, more: &str) {
        let spec = StudySpec::from_yaml(&format!("name: s{study}\nmodel: formula\n{more}")).unwrap();
        let (id, spec) = (id(study), Box::new(spec));
        self.ask(Request::Submit { id, spec, on_conflict: OnConflict::Refuse });
    }

    /// The worker says that so many slots are free; tells of which studies it is given work then.
    fn free(&mut self, free: u32) -> Vec<StudyId> {
        let before = self.grants.len();
        self.handle(Input::Credits { session: SESSION, free, granted: self.granted });
        self.studies_since(before)
    }

    fn oldest(&self, study: u64) -> usize {
        self.grants.iter().position(|grant| grant.lease.study == id(study)).expect("it has a lease")
    }

    fn reports(&mut self, grant: &Grant, what: Happened) {
        self.sequence += 1;
        let reports = vec![Report { lease: grant.lease.clone(), what }];
        self.handle(Input::Reports { session: SESSION, sequence: self.sequence, reports });
    }

    /// The worker has trained the last epoch of a study's oldest leases, so many, and begins to store what they came to.
    fn trains(&mut self, study: u64, leases: usize) {
        let own = self.grants.iter().filter(|grant| grant.lease.study == id(study)).take(leases);
        for grant in own.cloned().collect::<Vec<_>>() {
            let Happened::Finished { last, .. } = outcome(&grant) else { panic!("it trains") };
            self.reports(&grant, Happened::Epoch(last));
        }
    }

    /// The worker has stored what a study's oldest lease came to; tells of which studies it is given work then.
    fn stores(&mut self, study: u64) -> Vec<StudyId> {
        let grant = self.grants.remove(self.oldest(study));
        let before = self.grants.len();
        self.reports(&grant, outcome(&grant));
        self.studies_since(before)
    }

    fn studies_since(&self, before: usize) -> Vec<StudyId> {
        self.grants[before..].iter().map(|grant| grant.lease.study.clone()).collect()
    }

    /// Whether its worker's newest lease evaluates.
    fn evaluates(&self) -> bool {
        matches!(self.grants.last().unwrap().work, Work::Evaluate { .. })
    }
}

#[test]
fn a_worker_that_stores_a_studys_last_checkpoint_evaluates_it_before_it_takes_other_work() {
    let mut bench = Bench::new(1);
    bench.submit(1, 1);
    assert_eq!(bench.free(1), [id(1)]);
    bench.submit(2, 4);
    bench.trains(1, 1);
    assert_eq!(bench.free(1), [], "its slot is free, its checkpoint not stored");
    assert_eq!(bench.stores(1), [id(1)]);
    assert!(bench.evaluates());
    assert_eq!(bench.free(1), [id(2)], "nothing follows an evaluation");
}

#[test]
fn a_store_that_takes_long_keeps_nobody_from_other_work() {
    let mut bench = Bench::new(1);
    bench.submit(1, 1);
    assert_eq!(bench.free(1), [id(1)]);
    bench.submit(2, 4);
    bench.trains(1, 1);
    let begun = bench.now;
    assert_eq!(bench.free(1), []);
    assert!(bench.machine.next_deadline() <= Some(begun + Duration::from_secs(60)));
    while bench.now.since(begun) < Duration::from_secs(59) {
        assert_eq!(bench.free(1), []);
        bench.now = bench.now + Duration::from_secs(1);
    }
    bench.now = begun + Duration::from_secs(60);
    assert_eq!(bench.free(1), [id(2)]);
    assert!(bench.machine.next_deadline() > Some(bench.now), "it does not look again and again");
}

#[test]
fn only_as_many_slots_are_kept_as_studies_wait() {
    let mut bench = Bench::new(2);
    bench.submit(1, 1);
    bench.submit(2, 8);
    assert_eq!(bench.free(2), [id(1), id(2)]);
    bench.trains(1, 1);
    assert_eq!(bench.free(1), [], "kept for the first study");
    bench.trains(2, 1);
    assert_eq!(bench.free(2), [id(2)], "the second one's slot is its own again");
    assert_eq!(bench.stores(1), [id(1)]);
    assert!(bench.evaluates());
}

#[test]
fn last_leases_that_end_together_keep_one_slot() {
    let mut bench = Bench::new(2);
    bench.submit(1, 2);
    assert_eq!(bench.free(2), [id(1), id(1)]);
    bench.submit(2, 8);
    bench.trains(1, 2);
    assert_eq!(bench.free(2), [id(2)]);
    assert_eq!(bench.stores(1), []);
    assert_eq!(bench.stores(1), [id(1)]);
    assert!(bench.evaluates());
}

#[test]
fn no_slot_is_kept_for_what_still_trains() {
    let mut bench = Bench::new(2);
    bench.submit(1, 1);
    bench.submit(2, 8);
    assert_eq!(bench.free(2), [id(1), id(2)]);
    bench.trains(2, 1);
    assert_eq!(bench.free(1), [id(2)], "the second study is stored, the first one trains");
}

#[test]
fn an_evaluation_comes_before_the_training_of_an_older_study() {
    let mut bench = Bench::new(1);
    bench.submit(1, 4);
    bench.ask(Request::Pause(id(1)));
    bench.submit(2, 1);
    assert_eq!(bench.free(1), [id(2)]);
    bench.ask(Request::Resume(id(1)));
    bench.trains(2, 1);
    assert_eq!(bench.free(1), []);
    assert_eq!(bench.stores(2), [id(2)]);
    assert!(bench.evaluates());
}

#[test]
fn many_evaluations_leave_room_for_others() {
    let mut bench = Bench::new(2);
    bench.submit_with(
        1,
        "evaluate: all\nscheduler: {kind: fixed, epochs: 2, trials: [{hparams: {width: 1}}, \
         {hparams: {width: 2}}]}",
    );
    assert_eq!(bench.free(2), [id(1), id(1)]);
    bench.stores(1);
    bench.stores(1);
    bench.submit(2, 4);
    assert_eq!(bench.free(2), [id(1), id(2)], "one of two evaluations");
    assert!(!bench.evaluates(), "the other lease trains");
}

#[test]
fn a_study_that_turns_out_to_have_no_more_leaves_the_worker_to_others() {
    let mut bench = Bench::new(6);
    bench.submit(1, 8);
    assert_eq!(bench.free(3), [id(1), id(1), id(1)]);
    bench.submit_with(
        2,
        "space: {width: {int: [1, 2]}}\nsampler: {kind: grid}\nscheduler: {kind: hyperband, max_epochs: 9}",
    );
    assert_eq!(bench.free(3), [id(2), id(2), id(1)], "a grid of two points");
}
