//! Two processes with one worker id.

use super::*;

const HEARTBEAT: Duration = Duration::from_secs(5);

/// A machine, and processes that all say to be worker `w`.
struct Bench {
    machine: Machine,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self { machine: Machine::recover(Vec::new(), LEASE, Timestamp(0)).unwrap(), now: Timestamp(1) }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// A process opens a stream; says what it hears first.
    fn connect(&mut self, session: u64, incarnation: u64) -> Effect {
        let device = DeviceFacts { host: "lab-3".to_owned(), ..DeviceFacts::default() };
        let hello = Hello {
            worker: "w".parse().unwrap(),
            incarnation,
            held: BTreeSet::new(),
            device,
            slots: 1,
            version: String::new(),
            data: BTreeSet::new(),
        };
        let input = Input::Connected { session: SessionId(session), hello };
        let effects = self.machine.handle(self.now, vec![input]).effects;
        let to_it = |effect: &Effect| match effect {
            Effect::Send(to, ToWorker::Welcome { .. }) | Effect::Refuse(to, _) => to.0 == session,
            _ => false,
        };
        effects.into_iter().find(to_it).expect("Hello is answered")
    }

    fn heartbeat(&mut self, session: u64) -> Vec<Effect> {
        self.machine.handle(self.now, vec![Input::Heartbeat { session: SessionId(session) }]).effects
    }

    fn disconnect(&mut self, session: u64) {
        self.machine.handle(self.now, vec![Input::Disconnected { session: SessionId(session) }]);
    }
}

fn welcomed(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(_, ToWorker::Welcome { .. }))
}

fn unsure(effect: &Effect) -> bool {
    matches!(effect, Effect::Refuse(_, NotTaken::Unsure(_)))
}

#[test]
fn a_living_worker_keeps_its_stream_and_its_rival_is_refused() {
    let mut bench = Bench::new();
    assert!(welcomed(&bench.connect(1, 100)));
    bench.pass(HEARTBEAT / 2);
    assert!(unsure(&bench.connect(2, 200)));
    bench.pass(HEARTBEAT / 2);
    assert_eq!(bench.heartbeat(1), [], "the first stream stands");
    let Effect::Refuse(SessionId(3), NotTaken::InUse(holder)) = bench.connect(3, 200) else {
        panic!("the rival is refused")
    };
    assert_eq!(
        holder.to_string(),
        "worker id `w` is in use by a worker on host lab-3 since 1970-01-01T00:00:00Z"
    );
    bench.pass(HEARTBEAT);
    assert_eq!(bench.heartbeat(1), [], "the first stream still stands");
    assert_eq!(bench.heartbeat(3), [Effect::Close(SessionId(3))], "the rival's never did");
}

#[test]
fn a_reconnect_is_taken_at_once_and_closes_the_older_stream() {
    let mut bench = Bench::new();
    bench.connect(1, 100);
    assert!(welcomed(&bench.connect(2, 100)));
    assert_eq!(bench.heartbeat(1), [Effect::Close(SessionId(1))]);
    assert_eq!(bench.heartbeat(2), []);
}

#[test]
fn a_restart_after_a_closed_stream_is_taken_at_once() {
    let mut bench = Bench::new();
    bench.connect(1, 100);
    bench.disconnect(1);
    assert!(welcomed(&bench.connect(2, 200)));
}

#[test]
fn a_restart_is_taken_once_the_old_stream_has_missed_two_heartbeats() {
    let mut bench = Bench::new();
    bench.connect(1, 100);
    bench.pass(HEARTBEAT);
    assert!(unsure(&bench.connect(2, 200)));
    bench.pass(HEARTBEAT - Duration::from_millis(1));
    assert!(unsure(&bench.connect(3, 200)));
    bench.pass(Duration::from_millis(1));
    assert!(welcomed(&bench.connect(4, 200)));
    assert_eq!(bench.heartbeat(1), [Effect::Close(SessionId(1))]);
}

#[test]
fn the_last_words_of_a_crashed_process_do_not_lock_its_successor_out() {
    let mut bench = Bench::new();
    bench.connect(1, 100);
    bench.pass(HEARTBEAT);
    assert!(unsure(&bench.connect(2, 200)));
    bench.pass(Duration::from_millis(10));
    bench.heartbeat(1);
    bench.pass(2 * HEARTBEAT - Duration::from_millis(1));
    assert!(unsure(&bench.connect(3, 200)));
    bench.pass(Duration::from_millis(1));
    assert!(welcomed(&bench.connect(4, 200)));
}

#[test]
fn a_stopped_coordinator_takes_its_own_silence_for_nobodys_word() {
    let mut bench = Bench::new();
    bench.connect(1, 100);
    assert!(unsure(&bench.connect(2, 200)));
    // Everybody's clock is put forward: that is not a sign of life.
    bench.now = bench.machine.next_deadline().unwrap() + Duration::from_secs(600);
    assert!(unsure(&bench.connect(3, 200)));
}
