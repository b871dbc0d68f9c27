//! The end: all studies have ended, each with the table of an undisturbed run.

use common::ids::StudyId;

use super::World;
use crate::reference::{Columns, table, table_of};

/// How many tables were compared, and how many could not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) equal: u64,
    /// Studies that were stopped, ended early by time or target, or lost a trial to lost workers.
    pub(crate) other: u64,
}

impl World {
    /// Whether all that was wanted is done.
    pub(crate) fn is_over(&self) -> bool {
        self.clients.are_content() && self.checks.all_ended()
    }

    /// Compares every study's table with that of an undisturbed run.
    pub(crate) fn compare(&mut self) -> Compared {
        let mut compared = Compared::default();
        let stopped: Vec<StudyId> = self.clients.stopped().cloned().collect();
        let mut flaws = Vec::new();
        for (id, ledger) in self.checks.ledgers() {
            let Some(study) = ledger.study() else { continue };
            // A study that had ended before its submission was answered may have been submitted again.
            let Some(index) = self.clients.named(&study.spec().name) else {
                flaws.push(format!("I4: study {id} exists although nobody knows of it"));
                continue;
            };
            let timeless = self.climate.studies[index].1;
            if !timeless || stopped.contains(id) || ledger.is_exhausted() {
                compared.other += 1;
                continue;
            }
            // What a trial goes on from is made again; what is evaluated at the end, if it is damaged, is not.
            let columns = if self.checks.is_damaged(id) { Columns::Training } else { Columns::All };
            match table_of(&self.climate.studies[index].0, columns) {
                Ok(expected) => {
                    let found = table(study, columns);
                    if let Some((a, b)) = expected.iter().zip(&found).find(|(a, b)| a != b) {
                        flaws.push(format!("I12: study {id} ended with\n  {b}\nand not with\n  {a}"));
                    } else if expected.len() != found.len() {
                        flaws.push(format!("I12: study {id} has {} trials", found.len()));
                    }
                    compared.equal += 1;
                }
                Err(error) => flaws.push(error.to_string()),
            }
        }
        flaws.into_iter().for_each(|flaw| self.checks.fail(flaw));
        compared
    }
}
