//! The data sets that Rung trains on.
//!
//! In the order in which they matter to one run: the [`Sources`] say where a data set may lie, [`open()`] reads it from
//! the first of them and verifies every file, a [`Dataset`] is what comes out. [`fetch()`] brings a data set to this
//! machine; opening never does. One's own data is read from files by [`read()`] and packed into one object, which
//! [`unpack()`] opens wherever it is brought.

mod catalog;

mod sources;
pub use sources::{Sources, cache_folder};

mod open;
pub use open::open;

mod verify;

pub mod idx;

mod samples;
pub use samples::{Samples, Values};

mod scale;
pub use scale::Scale;

mod dataset;
pub use dataset::Dataset;

mod own;
pub use own::{Format, Packed, Reading, read, unlabelled};

mod packed;
pub use packed::{LARGEST_OBJECT, unpack, verified};

mod fetch;
pub use fetch::{Fetched, Origin, fetch};

mod error;
pub use error::DataError;

#[cfg(test)]
mod fixture;
