//! Ctrl-C and termination signals.

use std::{
    io,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// For how long signals count as one with the first. `timeout`, for example, signals a process and then its group, so that
/// one request comes as two signals within milliseconds.
const TOGETHER: Duration = Duration::from_secs(1);

/// Signals that ask this process to end. From the moment it exists they no longer end it by themselves.
#[derive(Debug)]
pub(crate) struct Interrupt {
    signals: [Signal; 2],
    requests: Requests,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Self::of([SignalKind::interrupt(), SignalKind::terminate()])
    }

    fn of(kinds: [SignalKind; 2]) -> io::Result<Self> {
        let [one, other] = kinds;
        Ok(Self { signals: [signal(one)?, signal(other)?], requests: Requests::default() })
    }

    /// The next request to end: signals within a second of its first are part of it. None is lost when the future is dropped.
    pub(crate) async fn recv(&mut self) {
        loop {
            let [one, other] = &mut self.signals;
            tokio::select! {
                _ = one.recv() => {}
                _ = other.recv() => {}
            }
            if self.requests.begins(Instant::now()) {
                return;
            }
        }
    }

    /// Lets go of requests that have come and were not asked for.
    pub(crate) fn forget(&mut self) {
        while self.recv().now_or_never().is_some() {}
    }
}

/// Tells requests to end apart.
#[derive(Debug, Default)]
struct Requests {
    /// When the first signal of the latest came.
    latest: Option<Instant>,
}

impl Requests {
    /// Whether a signal that comes now begins a request, and is not part of the one before.
    fn begins(&mut self, now: Instant) -> bool {
        let begins = self.latest.is_none_or(|latest| now.duration_since(latest) >= TOGETHER);
        if begins {
            self.latest = Some(now);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal as Raised, raise};
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn signals_within_a_second_of_the_first_are_one_request() {
        let (mut requests, start) = (Requests::default(), Instant::now());
        let begins =
            [0, 3, 999, 1000, 1500, 2500].map(|at| requests.begins(start + Duration::from_millis(at)));
        assert_eq!(begins, [true, false, false, true, false, true]);
    }

    #[tokio::test]
    async fn a_request_that_was_forgotten_is_none() {
        let kinds = [SignalKind::window_change(), SignalKind::io()];
        let mut interrupt = Interrupt::of(kinds).unwrap();
        raise(Raised::SIGWINCH).unwrap();
        timeout(Duration::from_secs(30), interrupt.recv()).await.unwrap();
        let mut interrupt = Interrupt { requests: Requests::default(), ..interrupt };
        raise(Raised::SIGWINCH).unwrap();
        // The signal is delivered by a task of its own.
        tokio::time::sleep(Duration::from_millis(200)).await;
        interrupt.forget();
        interrupt.requests = Requests::default();
        let again = timeout(Duration::from_millis(500), interrupt.recv()).await;
        assert!(again.is_err(), "the signal is still there");
    }

    #[tokio::test]
    async fn two_signals_at_once_ask_once() {
        // Nobody else in this process listens to these.
        let kinds = [SignalKind::user_defined1(), SignalKind::user_defined2()];
        let mut interrupt = Interrupt::of(kinds).unwrap();
        raise(Raised::SIGUSR1).unwrap();
        raise(Raised::SIGUSR2).unwrap();
        timeout(Duration::from_secs(30), interrupt.recv()).await.unwrap();
        let again = timeout(Duration::from_millis(500), interrupt.recv()).await;
        assert!(again.is_err(), "the second signal counts as another request");
    }
}
