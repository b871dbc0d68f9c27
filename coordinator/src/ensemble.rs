//! Ensembles: votes of trained models, as pure functions of class probabilities.
//!
//! Members' [`Answers`] on the validation and the test part go in, a [`Comparison`] comes out: every member, the best
//! single one, the hard and the soft [`vote`], a [`greedy`] selection with replacement, each with the [`temperature`]
//! that fits it. Whatever is chosen or fitted is so on the validation part; the test part is only measured.

mod answers;

mod score;

pub mod vote;

pub mod greedy;

pub mod temperature;

mod comparison;

pub use answers::{Answers, Unusable};
pub use comparison::{Comparison, Entry, Member, Truth, compare};
pub use score::{Objective, Score, score};

#[cfg(test)]
mod tests;
