//! The machine in a small world: workers that train by a formula, a store that is a list, and time that jumps.

mod damage;

mod order;

mod rivals;

mod senseless;

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    ids::StudyId,
    metrics::CurvePoint,
    study::StudySpec,
    time::Timestamp,
    view::{DeviceFacts, StudyPhase},
};
use proptest::prelude::*;
use scheduler::{Event, Study, Work};
use world::{World, outcome};

use super::{
    Answer, Effect, Grant, Happened, Hello, Input, Machine, NotTaken, OnConflict, Refused, Report, Request,
    RequestId, SessionId, ToWorker,
};

const LEASE: Duration = Duration::from_secs(30);

fn undisturbed() -> Vec<(u32, String, String)> {
    World::new(1).play_out()
}

#[test]
fn a_study_ends_with_all_its_trials() {
    assert_eq!(undisturbed().len(), 17, "9 + 5 + 3 trials");
}

#[test]
fn a_machine_that_fails_whatever_it_is_given_costs_no_trial_more_than_one_attempt() {
    let mut world = World::new(2);
    // One that trains, and takes its time.
    world.act(0, false);
    for _ in 0..100 {
        world.act_badly(1);
    }
    let failed: Vec<_> = failures(&world.log);
    assert_eq!(failed, BTreeSet::from_iter(failed.clone()).into_iter().collect::<Vec<_>>(), "none twice");
    assert_eq!(failed.len(), 16, "each but the one that the other has");
    assert_eq!(world.play_out(), undisturbed());
}

#[test]
fn a_machine_that_fails_alone_is_given_what_it_has_failed() {
    let mut world = World::new(1);
    for _ in 0..100 {
        world.act_badly(0);
    }
    assert_eq!(failures(&world.log).len(), 3 * 17, "three attempts of every trial");
    assert!(world.finished());
    // Also where the other one leaves.
    let mut world = World::new(2);
    world.act(0, false);
    (0..100).for_each(|_| world.act_badly(1));
    world.kill_worker(0);
    (0..2).for_each(|_| world.fall_silent());
    (0..100).for_each(|_| world.act_badly(1));
    assert!(world.finished());
}

/// Trials of which an attempt failed, in the order of these.
fn failures(log: &[Event]) -> Vec<u32> {
    let failed = |event: &Event| match event {
        Event::AttemptFailed { trial, .. } => Some(trial.0),
        _ => None,
    };
    log.iter().filter_map(failed).collect()
}

#[test]
fn a_study_that_waits_to_be_measured_is_deleted_with_its_lease() {
    let mut world = World::new(1);
    let id: StudyId = "00000001".parse().unwrap();
    let asked = |request| vec![Input::Asked { id: RequestId(1), request }];
    let deleted = |world: &mut World| world.machine.handle(world.now, asked(Request::Delete(id.clone())));
    let refused = deleted(&mut world);
    assert_eq!(refused.effects, [Effect::Answer(RequestId(1), Err(Refused::NotFinished(id.clone())))]);
    let measures =
        |world: &World| matches!(world.workers[0].grants[..], [Grant { work: Work::Evaluate { .. }, .. }]);
    while !measures(&world) {
        world.act(0, false);
    }
    let lease = world.workers[0].grants[0].lease.clone();
    let session = world.workers[0].session.unwrap();
    let group = deleted(&mut world);
    assert_eq!((group.commit.deleted, group.commit.events), (vec![id.clone()], Vec::new()));
    let revoked = Effect::Send(session, ToWorker::Revoke(vec![lease.clone()]));
    assert!(group.effects.contains(&revoked) && group.effects.contains(&Effect::DeleteObjects(id.clone())));
    let over =
        |effect: &Effect| matches!(effect, Effect::Publish(view) if view.phase == StudyPhase::Finished);
    assert!(group.effects.iter().any(over), "whoever watches hears of it: {:?}", group.effects);
    let holds = world.machine.handle(world.now, asked(Request::Holds(None, lease)));
    assert_eq!(holds.effects, [Effect::Answer(RequestId(1), Ok(Answer::Holds(false)))]);
    // A commit that failed brings it back, with the lease.
    world.machine.restore(id.clone(), &world.log, world.now).unwrap();
    assert_eq!(world.machine.studies().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [id]);
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
