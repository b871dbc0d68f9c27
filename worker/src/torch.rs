//! Training with libtorch, on the CPU or a GPU.
//!
//! In the order of a task: a setting becomes a `device`, the data set comes to lie on it (`resident`), a configuration
//! becomes tensors (`layout`, `initial`, `weights`, `initial_weights`) and layers that are trained by hand-written passes
//! (`dense`) or by autograd (`node`, `graph`); images change at random (`augment`); an epoch is trained (`epoch`,
//! `optimizer`, `average`), measured over copies of its images (`views`, `measure`) and remembered; at its end everything
//! (`numbers`) may be copied (`snapshot`) and written (`checkpoint`). A `trial` strings epochs together, the
//! [`TorchTrainer`] keeps what stays between trials, and [`doctor()`] tells what libtorch finds here.
//!
//! A model in a folder (`stored`) can be asked ([`ask()`]) and written for others ([`torchscript`], in `script`).

mod error;

mod device;

pub(crate) mod gpu;

mod arithmetic;

mod resident;

mod layout;

mod initial;

mod weights;

mod initial_weights;

mod standard;

mod net;

mod dense;

mod node;

mod graph;

mod numbers;

mod optimizer;

mod average;

mod augment;

mod epoch;

mod views;

mod measure;

mod snapshot;

mod checkpoint;

mod file;

mod trial;

mod trainer;

mod stored;

mod ask;

mod script;

mod doctor;

pub use ask::ask;
pub use doctor::{Facts, doctor};
pub use script::torchscript;
pub use trainer::TorchTrainer;

#[cfg(test)]
mod tests;
