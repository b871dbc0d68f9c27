//! Rung's scheduler: which trial trains next, for how long, and who is promoted.
//!
//! It is a pure state machine. A [`Study`] is the fold of its [`Event`]s; it knows no clock, no network, no disk, no
//! generator and no log. Whoever drives it reads the time, stores the events and only then acts on them:
//!
//! ```text
//!                 now, Input                          Vec<Event>
//!   driver  ────────────────────►  Study::step  ────────────────────►  driver: commit, then act and answer
//!                                    │      ▲
//!                    decide (facts) ─┤      ├─ apply (cannot fail)
//!              consequences (rules) ─┘      │
//!                                           │
//!   store   ──── the same events, once more ┘  Study::replay
//! ```
//!
//! A study's life in the order of the modules: the [`plan`] fixes brackets, rungs and trial numbers; the sampler draws
//! each trial's configuration; a queue orders those that wait; a [`lease`] hands one to a worker; the [`input`] that
//! comes back becomes an [`event`]; [`rung`]s rank and promote, a [`bracket`] carries what follows from one rung to the
//! next; a clock of active time ends a study early; [`study`] holds it all, and [`audit`] checks a stored log without
//! trusting any of it.

pub mod plan;

mod sampler;

pub mod trial;

mod queue;

pub mod lease;

pub mod input;

pub mod event;

pub mod rank;

pub mod rung;

pub mod bracket;

mod active_clock;

pub mod study;

pub mod audit;

pub use common::view::EndReason;
pub use event::{CleanBits, Event, LOG_VERSION, ScoredBits, TestBits};
pub use input::{Input, Refusal};
pub use lease::{Lease, Work};
pub use plan::{BracketPlan, Plan, RungPlan};
pub use study::{Best, ReplayError, Study};
pub use trial::Trial;
