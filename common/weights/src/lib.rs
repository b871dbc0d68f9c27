//! Weights that trials begin with.
//!
//! One's own file is read by [`read()`], with suspicion, and packed into one object, whose bytes depend on the weights
//! alone. Whoever is sent an object takes it for what [`verified()`] says; a worker takes it apart with [`unpack()`].

mod header;

mod tensor;
pub use tensor::Tensor;

mod own;
pub use own::read;

mod packed;
pub use packed::{LARGEST_OBJECT, Packed, Unpacked, unpack, verified};

mod error;
pub use error::WeightsError;
