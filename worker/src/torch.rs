//! Training with libtorch, on the CPU or a GPU.
//!
//! In the order of a task: a setting becomes a `device`, the data set comes to lie on it (`resident`), a configuration
//! becomes tensors (`layout`, `initial`, `weights`) and layers that are trained by hand-written passes (`dense`) or by
//! autograd (`node`, `graph`); an epoch is trained (`epoch`, `optimizer`), measured (`measure`) and remembered; at its
//! end everything may be copied (`snapshot`) and written (`checkpoint`). A `trial` strings epochs together, the
//! [`TorchTrainer`] keeps what stays between trials, and [`doctor()`] tells what libtorch finds here.

mod error;

mod device;

mod arithmetic;

mod resident;

mod layout;

mod initial;

mod weights;

mod net;

mod dense;

mod node;

mod graph;

mod optimizer;

mod epoch;

mod measure;

mod snapshot;

mod checkpoint;

mod file;

mod trial;

mod trainer;

mod doctor;

pub use doctor::{Facts, doctor};
pub use trainer::TorchTrainer;

#[cfg(test)]
mod tests;
