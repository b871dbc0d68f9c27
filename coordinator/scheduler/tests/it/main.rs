//! The scheduler, played from outside.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

/// Studies to play, and players: a calm one and a chaotic one.
mod support;

/// Sizes of brackets and rungs against published tables.
mod plans;

/// Every (R, eta) ends, and trains exactly what its plan says.
mod termination;

/// Early promotion promotes whom a synchronous rung would.
mod promotion;

/// One transition each: inputs in, events out.
mod transitions;

/// What is measured once training is over, and trials that a parent study has trained.
mod evaluations;

/// Messages that are late, repeated or out of date.
mod fencing;

/// Nothing that the network or the machines do changes a result.
mod chaos;

/// Which trial is leased first.
mod order;

/// Configurations: distinct, admitted, shuffled.
mod draws;

/// Ends before the plan's.
mod budgets;

/// The log is a format.
mod log;
