//! Workers that say what no worker of ours would: it costs them their leases, and nobody waits for ever.

use super::*;

/// A worker's report of its first lease.
fn report(world: &mut World, what: Happened) {
    let worker = &mut world.workers[0];
    worker.sequence += 1;
    let (session, sequence) = (worker.session.unwrap(), worker.sequence);
    let reports = vec![Report { lease: worker.grants[0].lease.clone(), what }];
    world.handle(vec![Input::Reports { session, sequence, reports }]);
}

#[test]
fn a_result_that_makes_no_sense_ends_the_lease_on_both_sides() {
    let cases: [fn(CurvePoint) -> Happened; 2] = [
        // The value is finite.
        Happened::NotFinite,
        |last| Happened::NotFinite(CurvePoint { epoch: last.epoch + 50, ..last }),
    ];
    for senseless in cases {
        let mut world = World::new(2);
        world.act(0, false);
        let grant = world.workers[0].grants[0].clone();
        let Happened::Finished { last, .. } = outcome(&grant) else { panic!("it trains") };
        report(&mut world, senseless(last));
        assert!(world.workers[0].grants.iter().all(|held| held.lease != grant.lease), "it is revoked");
        let (trial, attempt) = (grant.lease.trial, grant.lease.attempt);
        let failed = |event: &Event| match event {
            Event::AttemptFailed { trial: t, attempt: a, .. } => (*t, *a) == (trial, attempt),
            _ => false,
        };
        assert!(world.log.iter().any(failed), "{:?}", world.log);
        assert_eq!(world.play_out(), undisturbed());
    }
}

#[test]
fn nobody_gets_more_than_it_has_slots() {
    let mut world = World::new(1);
    world.act(0, false);
    let session = world.workers[0].session.unwrap();
    world.handle(vec![Input::Credits { session, free: u32::MAX, granted: 1 }]);
    assert!(world.workers[0].grants.len() <= 2, "{}", world.workers[0].grants.len());
}
