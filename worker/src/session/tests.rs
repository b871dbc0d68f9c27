use common::{
    hparams::Hparams,
    ids::{Attempt, TrialNumber},
    view::DeviceFacts,
};

use super::{messages::Work, *};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn lease(trial: u32, attempt: u64) -> LeaseId {
    LeaseId { study: "00c0ffee".parse().unwrap(), trial: TrialNumber(trial), attempt: Attempt(attempt) }
}

fn grant(trial: u32, attempt: u64) -> Grant {
    let work = Work::Train { from_epoch: 0, to_epoch: 3, resume: None };
    Grant { lease: lease(trial, attempt), hparams: Hparams::default(), trial_seed: 7, data_seed: 0, work }
}

fn study() -> Arc<StudySpec> {
    Arc::new(StudySpec::from_yaml("name: drill\nmodel: formula\nspace:\n  x: {float: [0.0, 1.0]}\n").unwrap())
}

fn released(trial: u32, attempt: u64) -> Report {
    Report { lease: lease(trial, attempt), news: News::Released { checkpoint: None } }
}

/// A session under test and the time it believes in.
struct Bench {
    session: Session,
    now: Instant,
}

/// Free slots, of a worker to which so many leases have come.
fn credits(free: u32, granted: u64) -> Outgoing {
    Outgoing::Credits { free, granted }
}

impl Bench {
    /// A session with free slots, before its first connection.
    fn new(slots: u32) -> Self {
        let identity = Identity {
            worker: "bench".parse().unwrap(),
            incarnation: 1,
            device: DeviceFacts::default(),
            slots,
            data: Vec::new(),
        };
        let now = Instant::now();
        let mut session = Session::new(now, identity);
        (0..slots as usize).for_each(|slot| session.slot_free(slot));
        Self { session, now }
    }

    /// A session that is welcomed and has announced its credits.
    fn welcomed(slots: u32) -> Self {
        let mut bench = Self::new(slots);
        bench.connect(&[]);
        assert_eq!(bench.sent(), [credits(slots, 0)]);
        bench.receive(Incoming::Study { id: lease(0, 1).study, spec: Ok(study()) });
        bench
    }

    fn receive(&mut self, message: Incoming) {
        self.session.received(self.now, message);
    }

    fn connect(&mut self, still_yours: &[LeaseId]) {
        self.session.opened();
        assert!(matches!(self.sent()[..], [Outgoing::Hello { .. }]));
        let terms = Welcome { lease: 30 * SECOND, heartbeat: 5 * SECOND, still_yours: still_yours.to_vec() };
        self.receive(Incoming::Welcome(terms));
    }

    fn grant(&mut self, grants: &[(u32, u64)]) -> Vec<(usize, LeaseId)> {
        let grants = grants.iter().map(|&(trial, attempt)| Ok(grant(trial, attempt))).collect();
        self.receive(Incoming::Grants(grants));
        let started = |action| match action {
            Action::Start { slot, assignment } => Some((slot, assignment.grant.lease)),
            Action::HandBack(_) | Action::Abandon(_) | Action::Complain { .. } => None,
        };
        self.session.actions().into_iter().filter_map(started).collect()
    }

    fn sent(&mut self) -> Vec<Outgoing> {
        iter::from_fn(|| self.session.message(self.now)).collect()
    }
}

#[test]
fn hello_is_first_and_nothing_follows_before_welcome() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.sent(), []);
    bench.session.opened();
    assert!(matches!(&bench.sent()[..], [Outgoing::Hello { held, .. }] if held.is_empty()));
    assert_eq!(bench.sent(), []);
}

#[test]
fn grants_fill_slots_and_credits_say_what_is_left() {
    let mut bench = Bench::welcomed(2);
    assert_eq!(bench.grant(&[(4, 1)]), [(0, lease(4, 1))]);
    assert_eq!(bench.sent(), [credits(1, 1)]);
    assert_eq!(bench.grant(&[(5, 1), (6, 1)]), [(1, lease(5, 1))]);
    assert_eq!(bench.sent(), [credits(0, 3)]);
    assert_eq!(bench.sent(), []);
    bench.session.slot_free(0);
    let queued = bench.session.actions();
    assert!(
        matches!(&queued[..], [Action::Start { slot: 0, assignment }] if assignment.grant == grant(6, 1))
    );
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_slot_that_is_free_again_at_once_is_told_again() {
    let mut bench = Bench::welcomed(1);
    bench.grant(&[(4, 1)]);
    bench.session.slot_free(0);
    assert_eq!(bench.sent(), [credits(1, 1)]);
}

#[test]
fn a_report_is_kept_until_acked_and_only_then_the_lease_is_given_up() {
    let mut bench = Bench::welcomed(1);
    bench.grant(&[(4, 1)]);
    bench.sent();
    bench.session.reported(released(4, 1));
    bench.session.slot_free(0);
    let batch = Outgoing::Reports { sequence: 1, reports: vec![released(4, 1)] };
    assert_eq!(bench.sent(), [batch.clone(), credits(1, 1)]);
    assert_eq!(bench.session.held(), 1);

    bench.session.lost(bench.now);
    bench.connect(&[lease(4, 1)]);
    assert_eq!(bench.sent(), [batch, credits(1, 0)]);
    bench.receive(Incoming::Ack(1));
    assert_eq!(bench.session.held(), 0);
}

#[test]
fn what_is_not_still_ours_is_abandoned() {
    let mut bench = Bench::welcomed(2);
    bench.grant(&[(4, 1), (5, 1)]);
    bench.session.reported(released(4, 1));
    bench.session.lost(bench.now);
    bench.connect(&[lease(5, 1)]);
    assert_eq!(bench.session.actions(), [Action::Abandon(lease(4, 1))]);
    assert_eq!(bench.sent(), [credits(0, 0)]);
}

#[test]
fn revoked_leases_are_abandoned_and_their_late_news_dropped() {
    let mut bench = Bench::welcomed(1);
    bench.grant(&[(4, 1)]);
    bench.sent();
    bench.receive(Incoming::Revoke(vec![lease(4, 1), lease(9, 9)]));
    assert_eq!(bench.session.actions(), [Action::Abandon(lease(4, 1))]);
    bench.session.reported(released(4, 1));
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_newer_attempt_replaces_the_older_one() {
    let mut bench = Bench::welcomed(2);
    bench.grant(&[(4, 1)]);
    bench.receive(Incoming::Grants(vec![Ok(grant(4, 2)), Ok(grant(4, 2))]));
    let actions = bench.session.actions();
    assert_eq!(actions[0], Action::Abandon(lease(4, 1)));
    assert!(matches!(&actions[1..], [Action::Start { slot: 1, .. }]));
}

#[test]
fn silence_beyond_two_thirds_of_the_lease_hands_everything_back() {
    let mut bench = Bench::welcomed(1);
    bench.grant(&[(4, 1), (5, 1)]);
    bench.session.lost(bench.now);
    let fence = bench.now + 20 * SECOND;
    assert_eq!(bench.session.deadline(), Some(fence));
    bench.session.timeout(fence - SECOND);
    assert_eq!(bench.session.actions(), []);
    bench.session.timeout(fence);
    let both = [Action::HandBack(lease(4, 1)), Action::HandBack(lease(5, 1))];
    assert_eq!(bench.session.actions(), both);
    bench.session.timeout(fence + SECOND);
    assert_eq!(bench.session.actions(), []);

    bench.session.reported(released(4, 1));
    bench.session.slot_free(0);
    bench.connect(&[lease(4, 1), lease(5, 1)]);
    let reports = vec![released(5, 1), released(4, 1)];
    assert_eq!(bench.sent(), [Outgoing::Reports { sequence: 1, reports }, credits(1, 0)]);
}

#[test]
fn an_idle_connection_is_kept_alive_by_heartbeats() {
    let mut bench = Bench::welcomed(1);
    let due = bench.now + 5 * SECOND;
    assert_eq!(bench.session.deadline(), Some(due));
    bench.session.timeout(due - SECOND);
    assert_eq!(bench.sent(), []);
    bench.now = due;
    bench.session.timeout(due);
    assert_eq!(bench.sent(), [Outgoing::Heartbeat]);
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.session.deadline(), Some(due + 5 * SECOND));
}

#[test]
fn a_drain_takes_nothing_new_and_ends_when_all_is_durable() {
    let mut bench = Bench::welcomed(1);
    bench.grant(&[(4, 1), (5, 1)]);
    bench.sent();
    bench.session.drain(bench.now);
    assert!(bench.session.actions().contains(&Action::HandBack(lease(4, 1))));
    bench.grant(&[(6, 1)]);
    bench.session.reported(released(4, 1));
    let reports = vec![released(5, 1), released(6, 1), released(4, 1)];
    assert_eq!(bench.sent(), [credits(0, 3), Outgoing::Reports { sequence: 1, reports }]);
    assert!(!bench.session.is_over(bench.now));
    bench.receive(Incoming::Ack(1));
    assert!(bench.session.is_over(bench.now));
}

#[test]
fn a_drain_asks_for_nothing_although_slots_are_free() {
    let mut bench = Bench::welcomed(3);
    bench.grant(&[(4, 1)]);
    assert_eq!(bench.sent(), [credits(2, 1)]);
    bench.session.drain(bench.now);
    assert_eq!(bench.sent(), [credits(0, 1)]);
}

#[test]
fn a_drain_without_coordinator_gives_up() {
    let mut bench = Bench::welcomed(1);
    bench.grant(&[(4, 1)]);
    bench.session.drain(bench.now);
    bench.session.lost(bench.now);
    assert!(!bench.session.is_over(bench.now + DRAIN - SECOND));
    assert!(bench.session.is_over(bench.now + DRAIN));
}

/// A worker of one slot with a lease of a study that it was not told of, and one whose work it cannot read.
fn with_senseless() -> Bench {
    let mut bench = Bench::welcomed(1);
    let mut unknown = grant(4, 1);
    unknown.lease.study = "deadbeef".parse().unwrap();
    let unusable = Unusable { lease: lease(5, 1), reason: "no work".to_owned() };
    bench.receive(Incoming::Grants(vec![Ok(unknown), Err(unusable)]));
    let actions = bench.session.actions();
    assert!(matches!(&actions[..], [Action::Complain { .. }, Action::Complain { .. }]), "{actions:?}");
    assert_eq!(bench.sent(), [credits(0, 2)], "no more of these");
    bench
}

#[test]
fn work_that_makes_no_sense_goes_back_later_and_counts_against_nothing() {
    let mut bench = with_senseless();
    bench.now += SENSELESS - SECOND;
    bench.session.timeout(bench.now);
    assert!(!bench.sent().iter().any(|message| matches!(message, Outgoing::Reports { .. })));
    bench.now += SECOND;
    assert!(bench.session.deadline().is_some_and(|deadline| deadline <= bench.now));
    bench.session.timeout(bench.now);
    let sent = bench.sent();
    let [Outgoing::Reports { reports, .. }, Outgoing::Credits { free: 1, .. }] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert!(reports.iter().all(|report| matches!(report.news, News::Released { checkpoint: None })));
    assert_eq!(reports.len(), 2);
}

#[test]
fn work_that_makes_no_sense_goes_back_with_all_else_when_the_worker_leaves() {
    let mut bench = with_senseless();
    bench.session.drain(bench.now);
    let sent = bench.sent();
    assert!(matches!(&sent[..], [Outgoing::Reports { reports, .. }] if reports.len() == 2), "{sent:?}");
}

#[test]
fn unstored_results_hold_credits_back() {
    let mut bench = Bench::welcomed(1);
    for trial in 0..3 {
        bench.grant(&[(trial, 1)]);
        bench.session.slot_free(0);
    }
    bench.sent();
    assert_eq!(bench.session.credits(), 0);
    bench.session.reported(released(0, 1));
    bench.sent();
    bench.receive(Incoming::Ack(1));
    assert_eq!(bench.sent(), [credits(1, 3)]);
}
