//! Training with libtorch, on the CPU or a GPU.
//!
//! In the order of a task: a [`DeviceChoice`] becomes a device ([`device`]), the data set comes to lie on it
//! (`resident`), a configuration becomes tensors (`layout`, `weights`) and layers that are trained by hand-written
//! passes (`dense`) or by autograd (`graph`); an epoch is trained (`epoch`, `optimizer`), measured (`measure`) and
//! remembered (`history`); at its end everything may be copied (`snapshot`) and written (`checkpoint`). [`trainer`]
//! holds it together; [`doctor`] tells what libtorch finds here.

mod error;

mod device;

mod arithmetic;

mod resident;

mod layout;

mod weights;

mod net;

mod dense;

mod graph;

mod optimizer;

mod epoch;

mod measure;

mod history;

mod snapshot;

mod checkpoint;

mod file;

mod trial;

mod trainer;

mod doctor;

pub use device::{DeviceChoice, UnknownDevice};
pub use doctor::{Facts, doctor};
pub use trainer::TorchTrainer;

#[cfg(test)]
mod tests;
