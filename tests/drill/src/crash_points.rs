//! Crash points: every durable boundary of a small study, before and after it, and everything that can go wrong there.
//!
//! The driver's real shell on the real store and the real folder of objects, in one process. Boundaries (a commit, the
//! storing of an object, the deletion of one) are counted as they are crossed. The k-th one goes wrong in one of
//! [`Mode::ALL`] ways; then everything goes on, and the result must be that of an undisturbed run. All k are tried.

mod bench;
mod faulty;
mod worker;

use std::sync::Arc;

use self::{bench::Bench, faulty::Boundary};

/// How a boundary goes wrong.
///
/// An error before the boundary has stored nothing; one after it is a commit whose answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    PanicBefore,
    PanicAfter,
    ErrorBefore,
    ErrorAfter,
    DelayBefore,
    DelayAfter,
}

impl Mode {
    const ALL: [Self; 6] = [
        Self::PanicBefore,
        Self::PanicAfter,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::DelayBefore,
        Self::DelayAfter,
    ];
}

/// How often each kind of boundary went wrong.
#[derive(Debug, Default)]
struct Count {
    commits: u64,
    puts: u64,
    deletes: u64,
}

async fn enumerate(mode: Mode) -> Count {
    let mut count = Count::default();
    for k in 0.. {
        let bench = Bench::new(mode, k);
        bench.run().await.unwrap_or_else(|error| panic!("{mode:?} at boundary {k}: {error:#}"));
        match bench.crossed() {
            Some(Boundary::Commit) => count.commits += 1,
            Some(Boundary::Put) => count.puts += 1,
            Some(Boundary::Delete) => count.deletes += 1,
            // The run was over before it came to this boundary.
            None => return count,
        }
    }
    count
}

#[test]
fn every_durable_boundary_may_go_wrong_in_every_way() {
    quiet();
    let run = |mode: Mode| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(enumerate(mode))
    };
    let counts: Vec<(Mode, Count)> = std::thread::scope(|scope| {
        let threads: Vec<_> = Mode::ALL.map(|mode| scope.spawn(move || (mode, run(mode)))).into();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut total = 0;
    for (mode, Count { commits, puts, deletes }) in &counts {
        println!("{mode:?}: {commits} commits, {puts} objects stored, {deletes} deleted");
        assert!(*commits > 10 && *puts > 10 && *deletes > 10, "{mode:?} is not tried everywhere");
        total += commits + puts + deletes;
    }
    println!("{total} crash points, 0 violations");
}

/// Panics that were asked for need no trace.
fn quiet() {
    let before = Arc::new(std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        let asked = info.payload().downcast_ref::<&str>().is_some_and(|text| *text == faulty::PANIC);
        if !asked {
            before(info);
        }
    }));
}
