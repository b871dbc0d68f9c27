//! Drills: a whole cluster in one process, in virtual time, in which everything goes wrong that can.
//!
//! What decides is the real thing: the coordinator's [`Machine`](coordinator::driver::Machine) with the scheduler in
//! it, and the worker's [`Session`](worker::session::Session). Around them everything is simulated, from a seed: the
//! network, the store, the clocks, the trainers, and the people who ask for something. After everything that happens
//! the invariants of `docs/reliability.md` are checked; at the end every study must have the table of an undisturbed
//! run; and a seed that is run again must give the same hash of all that happened.
//!
//! In the order of a run: a seed is a climate; the world lets things happen in order of time; faults strike; the
//! coordinator and the workers answer each other over streams and calls; checks watch.

mod dice;

mod climate;

mod fault;
pub use fault::Tally;

mod world;

mod strikes;

mod clients;

mod cluster;

mod disk;

mod objects;

mod network;

mod stream;

mod calls;

mod convert;

mod training;

mod checks;

mod reference;

mod trace;

mod run;
pub use run::{Summary, seed, seeds, trace};

#[cfg(test)]
mod crash_points;

#[cfg(test)]
mod bugs;
