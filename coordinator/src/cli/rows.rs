//! Studies and trials as commands print them. Keys, their order and columns are fixed: scripts rely on them.

mod study;

mod trial;

mod tested;

pub(crate) use study::{StudyRow, StudyRows};
pub(crate) use tested::{CLEAN, TEST, clean_cells, test_cells, test_facts};
pub(crate) use trial::{TrialRow, TrialRows};
