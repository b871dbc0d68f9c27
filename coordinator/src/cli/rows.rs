//! Studies and trials as commands print them. Keys, their order and columns are fixed: scripts rely on them.

mod study;

mod trial;

pub(crate) use study::{StudyRow, StudyRows};
pub(crate) use trial::{TrialRow, TrialRows};
