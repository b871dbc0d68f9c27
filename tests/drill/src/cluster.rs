//! The machines of a cluster.

pub(crate) mod coordinator;

pub(crate) mod worker;
