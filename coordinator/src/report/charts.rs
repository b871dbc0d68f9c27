//! The pictures: each function draws one thing and decides nothing about numbers.

mod scale;

mod ramp;

mod frame;

mod board;

mod lines;

mod parallel;

mod bars;

mod matrix;

mod reliability;

mod members;

pub(super) use bars::importance;
pub(super) use board::{board, legend};
pub(super) use lines::{accuracy, best_so_far, loss, top_trials};
pub(super) use matrix::confusion;
pub(super) use members::ensemble;
pub(super) use parallel::parallel;
pub(super) use ramp::Ramp;
pub(super) use reliability::reliability;
