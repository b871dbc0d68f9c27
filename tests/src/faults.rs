//! Faults that take more than a signal: networks, disks, clocks and bits.
//!
//! All of them need Linux, and most of them root. What a test changes is its own: namespaces, mounts and files that it
//! made and takes away again, and processes that it started. Networks and disks belong to the calling thread, so tests
//! that use them keep to one thread, as `#[tokio::test]` does.

mod tools;
pub use tools::have_tools;
use tools::run;

mod wrapper;
pub use wrapper::Wrapper;

mod network;
pub use network::{Network, Traffic};

mod disk;
pub use disk::SmallDisk;

mod syncs;
pub use syncs::FailingSyncs;

mod clock;
pub use clock::{WallClock, uptime};

mod bits;
pub use bits::{files_below, flip};
